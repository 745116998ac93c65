// Checks as commands print them.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "mailctl/dns_check/domain_check.h"

namespace mailstead::ctl {

// Some lines for a person, indented behind the first.
std::string CheckText(const CheckLine& line);

// Members of a JSON object: "worst" and "checks".
std::string CheckMembers(const std::vector<CheckLine>& lines);

size_t CountErrors(const std::vector<CheckLine>& lines);

}  // namespace mailstead::ctl
