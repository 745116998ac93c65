// `domain dns` and `domain check`: what a domain's records are to be, and what they are.
#pragma once

#include "mailctl/command.h"

namespace mailstead::ctl {

Command DomainDnsCommand();
Command DomainCheckCommand();

}  // namespace mailstead::ctl
