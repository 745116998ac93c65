// What Connect's client does with the store's API by way of webd: the cases of ../cases.js. Its argument are settings, and its
// output the results, as JSON.
package main

//go:generate buf generate

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"connectrpc.com/connect"
	"golang.org/x/net/http2"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	"mailstead.dev/tests/connect/store"
	"mailstead.dev/tests/connect/store/storeconnect"
)

type settings struct {
	URL      string `json:"url"`
	HTTP     string `json:"http"`
	Key      string `json:"key"`
	CA       string `json:"ca"`
	Compress bool   `json:"compress"`
	Account  string `json:"account"`
	ID       string `json:"id"`
}

type failed struct {
	Code    string   `json:"code"`
	Reasons []string `json:"reasons"`
	Fields  []string `json:"fields"`
}

type result = map[string]any

// withKey shows the key with each call.
type withKey string

func (k withKey) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, request connect.AnyRequest) (connect.AnyResponse, error) {
		request.Header().Set("Authorization", "Bearer "+string(k))
		return next(ctx, request)
	}
}

func (k withKey) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		connection := next(ctx, spec)
		connection.RequestHeader().Set("Authorization", "Bearer "+string(k))
		return connection
	}
}

func (k withKey) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}

func failure(err error) failed {
	found := failed{Code: "none", Reasons: []string{}, Fields: []string{}}
	var said *connect.Error
	if !errors.As(err, &said) {
		if err != nil {
			found.Code = err.Error()
		}
		return found
	}
	found.Code = said.Code().String()
	for _, detail := range said.Details() {
		value, err := detail.Value()
		if err != nil {
			log.Fatalf("a detail of %s: %v", detail.Type(), err)
		}
		switch value := value.(type) {
		case *errdetails.ErrorInfo:
			found.Reasons = append(found.Reasons, value.GetDomain()+"/"+value.GetReason())
		case *errdetails.BadRequest:
			for _, violation := range value.GetFieldViolations() {
				found.Fields = append(found.Fields, violation.GetField())
			}
		}
	}
	return found
}

func fetched(ctx context.Context, messages storeconnect.MessageServiceClient, request *store.FetchMessageRequest) (result, error) {
	stream, err := messages.FetchMessage(ctx, connect.NewRequest(request))
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	digest, pieces := sha256.New(), 0
	for stream.Receive() {
		digest.Write(stream.Msg().GetContent())
		pieces++
	}
	return result{"pieces": pieces, "sha256": fmt.Sprintf("%x", digest.Sum(nil))}, stream.Err()
}

func watched(ctx context.Context, watch storeconnect.WatchServiceClient, messages storeconnect.MessageServiceClient, account, id string) (result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := watch.Watch(ctx, connect.NewRequest(&store.WatchRequest{
		Filter: &store.WatchFilter{Accounts: []string{account}},
		Start:  store.WatchStart_WATCH_START_NOW,
		View:   store.MessageView_MESSAGE_VIEW_PARSED,
	}))
	if err != nil {
		return nil, err
	}
	seen := []string{}
	for stream.Receive() {
		for _, event := range stream.Msg().GetEvents() {
			switch {
			case event.GetStarted() != nil:
				seen = append(seen, "started")
				content := "Subject: watched\r\n\r\nGrüße\r\n" + strings.Repeat("long \r\n", 1000)
				if _, err := messages.DeliverMessage(ctx, connect.NewRequest(&store.DeliverMessageRequest{
					Envelope: &store.Envelope{DeliveryId: id, Recipients: []*store.EnvelopeRecipient{{Address: account}}},
					Content:  []byte(content),
				})); err != nil {
					return nil, err
				}
			case event.GetDelivered() != nil:
				message := event.GetDelivered().GetMessage()
				text := []rune(message.GetParsed().GetParts()[0].GetText())
				return result{"seen": append(seen, "delivered"), "subject": message.GetSummary().GetSubject(), "text": string(text[:5])}, nil
			}
		}
	}
	return result{"seen": seen}, stream.Err()
}

// transport speaks the version of HTTP that is asked for, and no other: HTTP/2 without TLS by prior knowledge.
func transport(from settings) (http.RoundTripper, error) {
	var under *tls.Config
	if from.CA != "" {
		authority, err := os.ReadFile(from.CA)
		if err != nil {
			return nil, err
		}
		under = &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
		under.RootCAs.AppendCertsFromPEM(authority)
	}
	if from.HTTP != "2" {
		return &http.Transport{TLSClientConfig: under}, nil
	}
	second := &http2.Transport{TLSClientConfig: under}
	if under == nil {
		second.AllowHTTP = true
		second.DialTLSContext = func(ctx context.Context, network, address string, _ *tls.Config) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}
	}
	return second, nil
}

func cases(ctx context.Context, from settings, client *http.Client, options []connect.ClientOption) (result, error) {
	messages := storeconnect.NewMessageServiceClient(client, from.URL, options...)
	watch := storeconnect.NewWatchServiceClient(client, from.URL, options...)
	listed, err := messages.ListMessages(ctx, connect.NewRequest(&store.ListMessagesRequest{Account: from.Account, PageSize: 1}))
	if err != nil {
		return nil, err
	}
	summary := listed.Msg.GetMessages()[0].GetSummary()
	found := result{"subject": summary.GetSubject()}
	if found["fetched"], err = fetched(ctx, messages, &store.FetchMessageRequest{Account: from.Account, MessageId: summary.GetMessageId()}); err != nil {
		return nil, err
	}
	if found["watched"], err = watched(ctx, watch, messages, from.Account, from.ID); err != nil {
		return nil, err
	}
	_, err = messages.GetMessage(ctx, connect.NewRequest(&store.GetMessageRequest{Account: from.Account, MessageId: 999_999}))
	found["notFound"] = failure(err)
	_, err = messages.ListMessages(ctx, connect.NewRequest(&store.ListMessagesRequest{Account: "nobody@example.test"}))
	found["noAccount"] = failure(err)
	_, err = messages.DeliverMessage(ctx, connect.NewRequest(&store.DeliverMessageRequest{
		Envelope: &store.Envelope{DeliveryId: "short"}, Content: []byte("x"),
	}))
	found["wrongFields"] = failure(err)
	_, err = fetched(ctx, messages, &store.FetchMessageRequest{Account: from.Account, MessageId: summary.GetMessageId(), PartId: "77"})
	found["streamFails"] = failure(err)
	_, err = messages.DeleteMessages(ctx, connect.NewRequest(&store.DeleteMessagesRequest{
		Account: from.Account, MessageIds: []int64{summary.GetMessageId()},
	}))
	found["outOfScope"] = failure(err)
	// A watch has no end of its own.
	late, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	endless, err := watch.Watch(late, connect.NewRequest(&store.WatchRequest{Filter: &store.WatchFilter{Accounts: []string{from.Account}}}))
	for err == nil {
		if !endless.Receive() {
			err = endless.Err()
			break
		}
	}
	found["tooLate"] = failure(err)
	return found, nil
}

func run(from settings) (result, error) {
	round, err := transport(from)
	if err != nil {
		return nil, err
	}
	client, ctx := &http.Client{Transport: round}, context.Background()
	results := result{}
	for name, option := range map[string]connect.ClientOption{
		"json": connect.WithProtoJSON(), "bytes": connect.WithClientOptions(), "get": connect.WithHTTPGet(),
	} {
		options := []connect.ClientOption{option, connect.WithInterceptors(withKey(from.Key))}
		if from.Compress {
			options = append(options, connect.WithSendGzip())
		}
		each := from
		each.ID = fmt.Sprintf("%s-%-16s", from.ID, name)
		each.ID = strings.ReplaceAll(each.ID, " ", "-")
		if results[name], err = cases(ctx, each, client, options); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	stranger := storeconnect.NewMessageServiceClient(client, from.URL)
	_, err = stranger.ListMessages(ctx, connect.NewRequest(&store.ListMessagesRequest{Account: from.Account}))
	results["noKey"] = failure(err)
	_, err = fetched(ctx, stranger, &store.FetchMessageRequest{Account: from.Account, MessageId: 1})
	results["noKeyForStream"] = failure(err)
	return results, nil
}

func main() {
	log.SetFlags(0)
	var from settings
	if err := json.Unmarshal([]byte(os.Args[1]), &from); err != nil {
		log.Fatal(err)
	}
	results, err := run(from)
	if err != nil {
		log.Fatal(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(results); err != nil {
		log.Fatal(err)
	}
}
