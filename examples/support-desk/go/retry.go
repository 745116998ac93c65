package main

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	// What a call may take. A Watch has no end of its own.
	deadline     = 30 * time.Second
	firstWait    = 200 * time.Millisecond
	longestWait  = 30 * time.Second
	longestAsked = 5 * time.Minute
)

// details are what an error of the store says beside its code.
type details struct {
	reason string
	// wait is nil where the store names no time.
	wait *time.Duration
}

func detailsOf(err error) details {
	var found details
	for _, detail := range status.Convert(err).Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			found.reason = detail.GetReason()
		case *errdetails.RetryInfo:
			wait := detail.GetRetryDelay().AsDuration()
			found.wait = &wait
		}
	}
	return found
}

func explain(err error) string {
	if _, ok := status.FromError(err); !ok {
		return err.Error()
	}
	return fmt.Sprintf("%s %s: %s", status.Code(err), detailsOf(err).reason, status.Convert(err).Message())
}

// mayBeRepeated says whether the same call may succeed without anybody having done something (docs/store-api-errors.md).
func mayBeRepeated(err error) bool {
	said, ok := status.FromError(err)
	if !ok {
		return false // Not of a call.
	}
	switch said.Code() {
	case codes.Canceled, codes.Unknown, codes.DeadlineExceeded, codes.Internal, codes.Unavailable:
		return true
	}
	asked := detailsOf(err).wait
	return asked != nil && *asked <= longestAsked
}

// backoff doubles with each use, and is not shorter than the store asks for.
type backoff struct{ next time.Duration }

func (b *backoff) sleep(ctx context.Context, asked *time.Duration) error {
	if b.next == 0 {
		b.next = firstWait
	}
	wait := b.next
	if asked != nil && *asked > wait {
		wait = *asked
	}
	b.next *= 2
	if b.next > longestWait {
		b.next = longestWait
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *backoff) reset() { b.next = 0 }

// call is a unary one.
func call[Request, Response any](ctx context.Context, method func(context.Context, *Request, ...grpc.CallOption) (*Response, error),
	request *Request) (*Response, error) {
	var response *Response
	return response, repeat(ctx, deadline, func(ctx context.Context) (err error) {
		response, err = method(ctx, request)
		return err
	})
}

// repeat tries a call until it has an answer, each time for so long.
func repeat(ctx context.Context, time time.Duration, attempt func(context.Context) error) error {
	for wait := (backoff{}); ; {
		within, cancel := context.WithTimeout(ctx, time)
		err := attempt(within)
		cancel()
		if err == nil || !mayBeRepeated(err) {
			return err
		}
		if err := wait.sleep(ctx, detailsOf(err).wait); err != nil {
			return err
		}
	}
}
