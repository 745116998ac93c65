// Why there is no connection to the store, as far as a look at its port can tell.
#pragma once

#include <string>

#include "common/rpc/channel.h"

namespace mailstead::ctl {

// Connects to where the channel leads and tries TLS. One clause for a person, such as "it speaks TLS, and --tls_ca is not
// given"; empty when nothing listens or nothing is wrong with what does. Takes some seconds at most.
std::string Diagnose(const rpc::ChannelOptions& channel);

}  // namespace mailstead::ctl
