// Makes a method of the function that does it. The four shapes are told apart by what the function takes:
//
//   Task<absl::Status> GetDomain(Call& call, const v1::GetDomainRequest& request, v1::Domain& response);
//   Task<absl::Status> Deliver(Call& call, Reader<v1::DeliverRequest>& pieces, v1::DeliverResponse& response);
//   Task<absl::Status> FetchMessage(Call& call, const v1::FetchMessageRequest& request,
//                                   Writer<v1::FetchMessageResponse>& pieces);
//   Task<absl::Status> Authenticate(Call& call, Reader<v1::AuthenticateRequest>& steps,
//                                   Writer<v1::AuthenticateResponse>& answers);
//
// It is a member of an object, or a free function whose first parameter is one; the object outlives the method:
//
//   table.Add(Bind({.name = "mailstead.store.v1.DirectoryService/GetDomain", .roles = kOperator}, environment, GetDomain));
//   table.Add(Bind({.name = "mailstead.store.v1.DirectoryService/GetDomain"}, directory, &DirectoryApi::GetDomain));
#pragma once

#include <functional>
#include <type_traits>
#include <utility>

#include "common/base/status.h"
#include "common/rpc/server/method.h"

namespace mailstead::rpc {

namespace bind_internal {

// What a parameter of a method's function is.
template <typename Parameter>
struct Of;
template <typename Message>
struct Of<const Message&> {
  using Type = Message;
  static constexpr bool kStream = false;
};
template <typename Message>
struct Of<Message&> {
  using Type = Message;
  static constexpr bool kStream = false;
};
template <typename Message>
struct Of<Reader<Message>&> {
  using Type = Message;
  static constexpr bool kStream = true;
};
template <typename Message>
struct Of<Writer<Message>&> {
  using Type = Message;
  static constexpr bool kStream = true;
};

// The only request of a call.
template <typename Request>
Task<absl::Status> ReadOne(RequestSource& requests, Request& request) {
  const absl::StatusOr<bool> read = co_await requests.Read(request);
  if (!read.ok()) co_return read.status();
  if (!*read) co_return absl::InvalidArgumentError("the call came without a request");
  co_return absl::OkStatus();
}

// `body` is part of the table, which outlives every call.
template <typename Request, typename Response, typename Body>
Task<absl::Status> ServeUnary(const Body& body, Call& call, RequestSource& requests,
                              ResponseSink& responses) {
  Request request;
  Response response;
  CO_RETURN_IF_ERROR(co_await ReadOne(requests, request));
  CO_RETURN_IF_ERROR(co_await body(call, request, response));
  co_return co_await responses.Write(response, /*last=*/true);
}

template <typename Request, typename Response, typename Body>
Task<absl::Status> ServeClientStream(const Body& body, Call& call, RequestSource& requests,
                                     ResponseSink& responses) {
  Reader<Request> reader(requests);
  Response response;
  CO_RETURN_IF_ERROR(co_await body(call, reader, response));
  co_return co_await responses.Write(response, /*last=*/true);
}

template <typename Request, typename Response, typename Body>
Task<absl::Status> ServeServerStream(const Body& body, Call& call, RequestSource& requests,
                                     ResponseSink& responses) {
  Request request;
  Writer<Response> writer(responses);
  CO_RETURN_IF_ERROR(co_await ReadOne(requests, request));
  co_return co_await body(call, request, writer);
}

template <typename Request, typename Response, typename Body>
Task<absl::Status> ServeDialog(const Body& body, Call& call, RequestSource& requests,
                               ResponseSink& responses) {
  Reader<Request> reader(requests);
  Writer<Response> writer(responses);
  co_return co_await body(call, reader, writer);
}

// `In` and `Out` are the last two parameters of the function that `body` calls.
template <typename In, typename Out, typename Body>
Method Make(Method method, Body body) {
  using Request = typename Of<In>::Type;
  using Response = typename Of<Out>::Type;
  constexpr bool kTakesMany = Of<In>::kStream;
  constexpr bool kGivesMany = Of<Out>::kStream;
  method.shape = kTakesMany ? (kGivesMany ? Shape::kDialog : Shape::kClientStream)
                            : (kGivesMany ? Shape::kServerStream : Shape::kUnary);
  method.handler = [body = std::move(body)](Call& call, RequestSource& requests, ResponseSink& responses) {
    if constexpr (kTakesMany && kGivesMany) {
      return ServeDialog<Request, Response>(body, call, requests, responses);
    } else if constexpr (kTakesMany) {
      return ServeClientStream<Request, Response>(body, call, requests, responses);
    } else if constexpr (kGivesMany) {
      return ServeServerStream<Request, Response>(body, call, requests, responses);
    } else {
      return ServeUnary<Request, Response>(body, call, requests, responses);
    }
  };
  return method;
}

}  // namespace bind_internal

// `row` says all but shape and handler.
template <typename Object, typename Class, typename In, typename Out>
Method Bind(Method row, Object& object, Task<absl::Status> (Class::*function)(Call&, In, Out)) {
  return bind_internal::Make<In, Out>(std::move(row), [&object, function](Call& call, In in, Out out) {
    return (object.*function)(call, in, out);
  });
}
template <typename Object, typename First, typename In, typename Out>
Method Bind(Method row, Object& object, Task<absl::Status> (*function)(First&, Call&, In, Out)) {
  return bind_internal::Make<In, Out>(std::move(row), [&object, function](Call& call, In in, Out out) {
    return function(object, call, in, out);
  });
}

}  // namespace mailstead::rpc
