// The one list of all methods: name, who may call it, what it costs, and the function that does it.
#pragma once

#include "common/rpc/server/method_table.h"
#include "stored/api/environment.h"

namespace mailstead::stored {

// `environment` outlives the table.
void AddMethods(Environment& environment, rpc::MethodTable& table);

}  // namespace mailstead::stored
