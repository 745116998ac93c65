#include "stored/api/reflection.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "common/base/status.h"
#include "common/rpc/server/bind.h"
#include "grpc/reflection/v1alpha/reflection.pb.h"

namespace mailstead::stored {

namespace v1alpha = ::grpc::reflection::v1alpha;
using ::google::protobuf::DescriptorPool;
using ::google::protobuf::FileDescriptor;
using v1alpha::ServerReflectionRequest;
using v1alpha::ServerReflectionResponse;

namespace {

// SECURITY: strangers ask. An answer repeats the request, and names have a length that no symbol exceeds.
constexpr size_t kMaxRequestBytes = 4096;

// Files that a caller has already been sent, in this stream.
using Sent = absl::flat_hash_set<const FileDescriptor*>;

// The file and those that it imports, each before what needs it; without those that were sent.
void AddFile(const FileDescriptor& file, Sent& sent, v1alpha::FileDescriptorResponse& response) {
  if (!sent.insert(&file).second) return;
  for (int i = 0; i < file.dependency_count(); ++i) AddFile(*file.dependency(i), sent, response);
  google::protobuf::FileDescriptorProto proto;
  file.CopyTo(&proto);
  proto.SerializeToString(response.add_file_descriptor_proto());
}

void Refuse(absl::StatusCode code, const std::string& message, ServerReflectionResponse& response) {
  response.mutable_error_response()->set_error_code(static_cast<int>(code));
  response.mutable_error_response()->set_error_message(message);
}

void AnswerFile(const FileDescriptor* file, Sent& sent, ServerReflectionResponse& response) {
  if (file == nullptr)
    return Refuse(absl::StatusCode::kNotFound, "there is no such file or symbol", response);
  v1alpha::FileDescriptorResponse& files = *response.mutable_file_descriptor_response();
  // The file that was asked for is in each answer to that, also a second one.
  sent.erase(file);
  AddFile(*file, sent, files);
}

void AnswerExtensionNumbers(const std::string& type, ServerReflectionResponse& response) {
  const DescriptorPool& pool = *DescriptorPool::generated_pool();
  const google::protobuf::Descriptor* const descriptor = pool.FindMessageTypeByName(type);
  if (descriptor == nullptr) return Refuse(absl::StatusCode::kNotFound, "there is no such type", response);
  std::vector<const google::protobuf::FieldDescriptor*> extensions;
  pool.FindAllExtensions(descriptor, &extensions);
  v1alpha::ExtensionNumberResponse& numbers = *response.mutable_all_extension_numbers_response();
  numbers.set_base_type_name(type);
  for (const google::protobuf::FieldDescriptor* extension : extensions) {
    numbers.add_extension_number(extension->number());
  }
}

void Answer(const ServerReflectionRequest& request, const std::vector<std::string>& services, Sent& sent,
            ServerReflectionResponse& response) {
  const DescriptorPool& pool = *DescriptorPool::generated_pool();
  response.set_valid_host(request.host());
  *response.mutable_original_request() = request;
  switch (request.message_request_case()) {
    case ServerReflectionRequest::kFileByFilename:
      return AnswerFile(pool.FindFileByName(request.file_by_filename()), sent, response);
    case ServerReflectionRequest::kFileContainingSymbol:
      return AnswerFile(pool.FindFileContainingSymbol(request.file_containing_symbol()), sent, response);
    case ServerReflectionRequest::kFileContainingExtension: {
      const v1alpha::ExtensionRequest& asked = request.file_containing_extension();
      const google::protobuf::Descriptor* const type = pool.FindMessageTypeByName(asked.containing_type());
      const google::protobuf::FieldDescriptor* const extension =
          type == nullptr ? nullptr : pool.FindExtensionByNumber(type, asked.extension_number());
      return AnswerFile(extension == nullptr ? nullptr : extension->file(), sent, response);
    }
    case ServerReflectionRequest::kAllExtensionNumbersOfType:
      return AnswerExtensionNumbers(request.all_extension_numbers_of_type(), response);
    case ServerReflectionRequest::kListServices:
      for (const std::string& service : services) {
        response.mutable_list_services_response()->add_service()->set_name(service);
      }
      return;
    case ServerReflectionRequest::MESSAGE_REQUEST_NOT_SET:
      return Refuse(absl::StatusCode::kInvalidArgument, "the request asks for nothing", response);
  }
}

}  // namespace

void Reflection::AddTo(rpc::MethodTable& methods) {
  methods.Add(
      rpc::Bind({.name = "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", .counted = false},
                *this, &Reflection::Info));
  services_ = methods.Services();
}

Task<absl::Status> Reflection::Info(rpc::Call& call, rpc::Reader<ServerReflectionRequest>& requests,
                                    rpc::Writer<ServerReflectionResponse>& responses) {
  Sent sent;
  while (true) {
    ServerReflectionRequest request;
    CO_ASSIGN_OR_RETURN(const bool more, co_await requests.Read(request));
    if (!more) co_return absl::OkStatus();
    CO_RETURN_IF_ERROR(call.StillWanted());
    if (request.ByteSizeLong() > kMaxRequestBytes) {
      co_return absl::InvalidArgumentError("the request must have at most 4096 bytes");
    }
    ServerReflectionResponse response;
    Answer(request, services_, sent, response);
    CO_RETURN_IF_ERROR(co_await responses.Write(response));
  }
}

}  // namespace mailstead::stored
