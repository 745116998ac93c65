// The streaming methods of MailboxService, each in a file of its own. Only .cc files of this folder include
// this.
#pragma once

#include "mailstead/store/v1/mailbox.grpc.pb.h"

namespace mailstead::store {

class CallLoop;

void ServeDeliver(CallLoop& loop, v1::MailboxService::AsyncService& service);
void ServeOpenMaildrop(CallLoop& loop, v1::MailboxService::AsyncService& service);
void ServeFetchMessage(CallLoop& loop, v1::MailboxService::AsyncService& service);

}  // namespace mailstead::store
