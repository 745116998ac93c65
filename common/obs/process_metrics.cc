#include "common/obs/process_metrics.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "common/config/version.h"
#include "common/obs/log.h"

namespace mailstead::obs {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

std::string ReadProcFile(const char* path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

void AddGauge(const char* name, const char* help, std::optional<double> value,
              std::vector<MetricFamily>& out) {
  if (!value.has_value()) return;
  ClientMetric metric;
  metric.gauge.value = *value;
  out.push_back({name, help, MetricType::Gauge, {metric}});
}

// Field 2 of /proc/self/statm, in pages (proc(5)).
std::optional<double> ResidentBytes() {
  const std::vector<std::string> fields = absl::StrSplit(ReadProcFile("/proc/self/statm"), ' ');
  int64_t pages = 0;
  if (fields.size() < 2 || !absl::SimpleAtoi(fields[1], &pages)) return std::nullopt;
  return static_cast<double>(pages) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

std::optional<double> OpenDescriptors() {
  DIR* const directory = opendir("/proc/self/fd");
  if (directory == nullptr) return std::nullopt;
  double count = 0;
  while (readdir(directory) != nullptr) ++count;
  closedir(directory);
  // Without ".", ".." and the one that was open for this.
  return count - 3;
}

std::optional<double> MaxDescriptors() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return std::nullopt;
  return static_cast<double>(limit.rlim_cur);
}

std::optional<double> CpuSeconds() {
  rusage usage;
  if (getrusage(RUSAGE_SELF, &usage) != 0) return std::nullopt;
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Boot time plus field 22 of /proc/self/stat, in ticks. The process name (field 2) may hold spaces and
// brackets.
std::optional<double> ReadStartTime() {
  const std::string stat = ReadProcFile("/proc/self/stat");
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  const std::vector<std::string> fields = absl::StrSplit(stat.substr(name_end + 1), ' ', absl::SkipEmpty());
  constexpr size_t kStartTimeAfterName = 19;
  int64_t ticks = 0;
  if (fields.size() <= kStartTimeAfterName || !absl::SimpleAtoi(fields[kStartTimeAfterName], &ticks)) {
    return std::nullopt;
  }
  const std::string system = ReadProcFile("/proc/stat");
  const size_t at = system.find("\nbtime ");
  int64_t boot_seconds = 0;
  if (at == std::string::npos) return std::nullopt;
  const std::string boot = system.substr(at + 7, system.find('\n', at + 1) - at - 7);
  if (!absl::SimpleAtoi(boot, &boot_seconds)) return std::nullopt;
  return static_cast<double>(boot_seconds) +
         static_cast<double>(ticks) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

std::optional<double> StartTime() {
  static const std::optional<double> start = ReadStartTime();
  return start;
}

}  // namespace

std::vector<MetricFamily> ProcessMetrics() {
  std::vector<MetricFamily> families;
  AddGauge("process_resident_memory_bytes", "Memory in RAM", ResidentBytes(), families);
  AddGauge("process_open_fds", "Open file descriptors", OpenDescriptors(), families);
  AddGauge("process_max_fds", "Limit of open file descriptors", MaxDescriptors(), families);
  AddGauge("process_start_time_seconds", "When the process started, in seconds since 1970", StartTime(),
           families);
  if (const std::optional<double> cpu = CpuSeconds(); cpu.has_value()) {
    ClientMetric metric;
    metric.counter.value = *cpu;
    families.push_back(
        {"process_cpu_seconds_total", "User and system time spent", MetricType::Counter, {metric}});
  }
  ClientMetric dropped;
  dropped.counter.value = static_cast<double>(DroppedLogLines());
  families.push_back({"mailstead_log_lines_dropped_total",
                      "Log lines that nobody will see, because nobody read the log",
                      MetricType::Counter,
                      {dropped}});
  ClientMetric build;
  build.label.push_back({"version", std::string(config::Version())});
  build.gauge.value = 1;
  families.push_back({"mailstead_build_info", "1, with the version as a label", MetricType::Gauge, {build}});
  return families;
}

}  // namespace mailstead::obs
