// How many frames of HTTP/2 a client may send that give us work and bring no request further: so many at once, and so many more in
// each second.
#pragma once

#include "absl/time/time.h"

namespace mailstead::web {

class FrameAllowance {
 public:
  // `now` of a steady clock, here and later.
  FrameAllowance(double at_once, double per_second, absl::Time now)
      : at_once_(at_once), per_second_(per_second), left_(at_once), as_of_(now) {}

  // False: there are not so many left. None are taken then.
  bool Take(double frames, absl::Time now);

 private:
  const double at_once_;
  const double per_second_;
  double left_;
  absl::Time as_of_;
};

}  // namespace mailstead::web
