// What every program says of itself under /metrics.
#pragma once

#include <vector>

#include "prometheus/metric_family.h"

namespace mailstead::obs {

// The metrics as of now: process_resident_memory_bytes, process_open_fds, process_max_fds,
// process_cpu_seconds_total, process_start_time_seconds, mailstead_log_lines_dropped_total,
// mailstead_build_info{version}. What /proc does not tell is left out.
std::vector<prometheus::MetricFamily> ProcessMetrics();

}  // namespace mailstead::obs
