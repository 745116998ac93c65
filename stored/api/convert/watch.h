// Changes and consumers between the API and core.
#pragma once

#include "mailstead/store/v1/watch.pb.h"
#include "stored/engine/change.h"

namespace mailstead::stored {

// All but the cursor.
void ToProto(engine::FeedChange change, store::v1::WatchEvent& event);

}  // namespace mailstead::stored
