#include "webd/http/frame_allowance.h"

#include <algorithm>

namespace mailstead::web {

bool FrameAllowance::Take(double frames, absl::Time now) {
  left_ = std::min(at_once_, left_ + per_second_ * absl::ToDoubleSeconds(now - as_of_));
  as_of_ = now;
  if (frames > left_) return false;
  left_ -= frames;
  return true;
}

}  // namespace mailstead::web
