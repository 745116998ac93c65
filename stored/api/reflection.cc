#include "stored/api/reflection.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "common/base/status.h"
#include "common/rpc/server/bind.h"
#include "grpc/reflection/v1/reflection.pb.h"
#include "grpc/reflection/v1alpha/reflection.pb.h"

namespace mailstead::stored {

namespace v1 = ::grpc::reflection::v1;
namespace v1alpha = ::grpc::reflection::v1alpha;
using ::google::protobuf::DescriptorPool;
using ::google::protobuf::FileDescriptor;

namespace {

// A role or a scope, whichever.
constexpr unsigned kAnyKnown = ~0u;

// An answer repeats the request, and names have a length that no symbol exceeds.
constexpr size_t kMaxRequestBytes = 4096;

// Files that a caller has already been sent, in this stream.
using Sent = absl::flat_hash_set<const FileDescriptor*>;

// The two versions have the same messages under different names: what follows is written once for both.

// The file and those that it imports, each before what needs it; without those that were sent.
template <typename Files>
void AddFile(const FileDescriptor& file, Sent& sent, Files& response) {
  if (!sent.insert(&file).second) return;
  for (int i = 0; i < file.dependency_count(); ++i) AddFile(*file.dependency(i), sent, response);
  google::protobuf::FileDescriptorProto proto;
  file.CopyTo(&proto);
  proto.SerializeToString(response.add_file_descriptor_proto());
}

template <typename Response>
void Refuse(absl::StatusCode code, const std::string& message, Response& response) {
  response.mutable_error_response()->set_error_code(static_cast<int>(code));
  response.mutable_error_response()->set_error_message(message);
}

template <typename Response>
void AnswerFile(const FileDescriptor* file, Sent& sent, Response& response) {
  if (file == nullptr)
    return Refuse(absl::StatusCode::kNotFound, "there is no such file or symbol", response);
  auto& files = *response.mutable_file_descriptor_response();
  // The file that was asked for is in each answer to that, also a second one.
  sent.erase(file);
  AddFile(*file, sent, files);
}

template <typename Response>
void AnswerExtensionNumbers(const std::string& type, Response& response) {
  const DescriptorPool& pool = *DescriptorPool::generated_pool();
  const google::protobuf::Descriptor* const descriptor = pool.FindMessageTypeByName(type);
  if (descriptor == nullptr) return Refuse(absl::StatusCode::kNotFound, "there is no such type", response);
  std::vector<const google::protobuf::FieldDescriptor*> extensions;
  pool.FindAllExtensions(descriptor, &extensions);
  auto& numbers = *response.mutable_all_extension_numbers_response();
  numbers.set_base_type_name(type);
  for (const google::protobuf::FieldDescriptor* extension : extensions) {
    numbers.add_extension_number(extension->number());
  }
}

template <typename Request, typename Response>
void Answer(const Request& request, const std::vector<std::string>& services, Sent& sent,
            Response& response) {
  const DescriptorPool& pool = *DescriptorPool::generated_pool();
  response.set_valid_host(request.host());
  *response.mutable_original_request() = request;
  switch (request.message_request_case()) {
    case Request::kFileByFilename:
      return AnswerFile(pool.FindFileByName(request.file_by_filename()), sent, response);
    case Request::kFileContainingSymbol:
      return AnswerFile(pool.FindFileContainingSymbol(request.file_containing_symbol()), sent, response);
    case Request::kFileContainingExtension: {
      const auto& asked = request.file_containing_extension();
      const google::protobuf::Descriptor* const type = pool.FindMessageTypeByName(asked.containing_type());
      const google::protobuf::FieldDescriptor* const extension =
          type == nullptr ? nullptr : pool.FindExtensionByNumber(type, asked.extension_number());
      return AnswerFile(extension == nullptr ? nullptr : extension->file(), sent, response);
    }
    case Request::kAllExtensionNumbersOfType:
      return AnswerExtensionNumbers(request.all_extension_numbers_of_type(), response);
    case Request::kListServices:
      for (const std::string& service : services) {
        response.mutable_list_services_response()->add_service()->set_name(service);
      }
      return;
    case Request::MESSAGE_REQUEST_NOT_SET:
      return Refuse(absl::StatusCode::kInvalidArgument, "the request asks for nothing", response);
  }
}

}  // namespace

void Reflection::AddTo(rpc::MethodTable& methods) {
  methods.Add(rpc::Bind({.name = "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                         .roles = kAnyKnown,
                         .counted = false},
                        *this, &Reflection::Info<v1::ServerReflectionRequest, v1::ServerReflectionResponse>));
  methods.Add(rpc::Bind(
      {.name = "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
       .roles = kAnyKnown,
       .counted = false},
      *this, &Reflection::Info<v1alpha::ServerReflectionRequest, v1alpha::ServerReflectionResponse>));
  services_ = methods.Services();
}

template <typename Request, typename Response>
Task<absl::Status> Reflection::Info(rpc::Call& call, rpc::Reader<Request>& requests,
                                    rpc::Writer<Response>& responses) {
  Sent sent;
  while (true) {
    Request request;
    CO_ASSIGN_OR_RETURN(const bool more, co_await requests.Read(request));
    if (!more) co_return absl::OkStatus();
    CO_RETURN_IF_ERROR(call.StillWanted());
    if (request.ByteSizeLong() > kMaxRequestBytes) {
      co_return absl::InvalidArgumentError("the request must have at most 4096 bytes");
    }
    Response response;
    Answer(request, services_, sent, response);
    CO_RETURN_IF_ERROR(co_await responses.Write(response));
  }
}

}  // namespace mailstead::stored
