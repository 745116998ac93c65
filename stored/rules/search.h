// Which messages a search finds. Pure.
//
// Texts are compared without regard to the case of ASCII letters; all other characters, of which many have no other case,
// or one that depends on the language, as they are.
#pragma once

#include "stored/engine/search.h"
#include "stored/rules/new_message.h"

namespace mailstead::rules {

// What is asked of the header's fields. True as well where they are not known.
bool Matches(const engine::MessageFilter& filter, const engine::SearchedFields& fields);
// All that is asked.
bool Matches(const engine::MessageFilter& filter, const Entry& entry);
// Whether something is asked that SearchedFields answer.
bool AsksForFields(const engine::MessageFilter& filter);

}  // namespace mailstead::rules
