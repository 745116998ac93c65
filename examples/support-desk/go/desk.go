package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"mime"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"mailstead.dev/examples/support-desk/store"
)

const consumer = "support-desk"

type desk struct {
	account, folder string
	messages        store.MessageServiceClient
	submissions     store.SubmissionServiceClient
	watch           store.WatchServiceClient
	incarnation     string
	// name is what no other desk is called.
	name string
}

func newDesk(connection grpc.ClientConnInterface, account, folder string) (*desk, error) {
	name := make([]byte, 8)
	if _, err := rand.Read(name); err != nil {
		return nil, err
	}
	return &desk{
		name:        fmt.Sprintf("%x", name),
		account:     account,
		folder:      folder,
		messages:    store.NewMessageServiceClient(connection),
		submissions: store.NewSubmissionServiceClient(connection),
		watch:       store.NewWatchServiceClient(connection),
	}, os.MkdirAll(folder, 0o777)
}

// ---- The feed

// run ends with an error that no repetition mends, or with ctx.
func (d *desk) run(ctx context.Context) error {
	if err := d.createConsumer(ctx); err != nil {
		return err
	}
	for wait := (backoff{}); ; {
		err := d.follow(ctx, &wait)
		found := detailsOf(err)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case found.reason == "CURSOR_EXPIRED":
			// What came meanwhile is not told any more. It is still in the mailbox.
			reset := &store.ResetConsumerRequest{Name: consumer, Start: store.WatchStart_WATCH_START_NOW}
			if _, err := call(ctx, d.watch.ResetConsumer, reset); err != nil {
				return err
			}
			continue
		case errors.Is(err, io.EOF), mayBeRepeated(err):
		case status.Code(err) == codes.Aborted, status.Code(err) == codes.ResourceExhausted:
			// Another desk is at work now, the key was changed, this one read too slowly, or there are too many streams: this
			// one waits for its turn.
		default:
			return err
		}
		if err := wait.sleep(ctx, found.wait); err != nil {
			return err
		}
	}
}

func (d *desk) createConsumer(ctx context.Context) error {
	_, err := call(ctx, d.watch.CreateConsumer, &store.CreateConsumerRequest{
		Name: consumer,
		Filter: &store.WatchFilter{
			Accounts: []string{d.account},
			Kinds:    []store.WatchKind{store.WatchKind_WATCH_KIND_DELIVERED},
		},
		Start: store.WatchStart_WATCH_START_NOW,
	})
	if status.Code(err) == codes.AlreadyExists {
		return nil
	}
	return err
}

// follow is one stream, to its end.
func (d *desk) follow(ctx context.Context, wait *backoff) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := d.watch.Watch(ctx, &store.WatchRequest{Consumer: consumer})
	if err != nil {
		return err
	}
	for {
		response, err := stream.Recv()
		if err != nil {
			return err
		}
		wait.reset()
		if err := d.takeEvents(ctx, response.GetEvents()); err != nil {
			return err
		}
	}
}

func (d *desk) takeEvents(ctx context.Context, events []*store.WatchEvent) error {
	for _, event := range events {
		var err error
		switch {
		case event.GetStarted() != nil:
			// This desk is the active one. First what is there: from before the consumer was made, or left by another desk.
			d.incarnation = event.GetStarted().GetIncarnation()
			err = d.takeAll(ctx)
		case event.GetDelivered() != nil:
			err = d.take(ctx, event.GetDelivered().GetMessageId())
		}
		if err != nil {
			return err
		}
	}
	cursor := events[len(events)-1].GetCursor()
	// None while another desk is at work.
	if len(cursor) == 0 {
		return nil
	}
	_, err := call(ctx, d.watch.AckConsumer, &store.AckConsumerRequest{Name: consumer, Cursor: cursor})
	return err
}

func (d *desk) takeAll(ctx context.Context) error {
	request := &store.ListMessagesRequest{Account: d.account}
	for {
		page, err := call(ctx, d.messages.ListMessages, request)
		if err != nil {
			return err
		}
		for _, message := range page.GetMessages() {
			if err := d.take(ctx, message.GetSummary().GetMessageId()); err != nil {
				return err
			}
		}
		request.PageToken = page.GetNextPageToken()
		if request.PageToken == "" {
			return nil
		}
	}
}

// ---- A message

func (d *desk) take(ctx context.Context, id int64) error {
	message, err := call(ctx, d.messages.GetMessage, &store.GetMessageRequest{
		Account: d.account, MessageId: id, View: store.MessageView_MESSAGE_VIEW_PARSED,
	})
	if status.Code(err) == codes.NotFound {
		return nil // Dealt with before a restart.
	}
	if err != nil {
		return err
	}
	// In another incarnation of the store the same id may be another message's.
	name := fmt.Sprintf("%s %s %s", d.incarnation, d.account, message.GetSummary().GetUniqueId())
	ticket := fmt.Sprintf("%x", sha256.Sum256([]byte(name)))
	if err := d.write(ctx, ticket, message); err != nil {
		return err
	}
	// Of desks that were killed, or are behind.
	lefts, err := filepath.Glob(filepath.Join(d.folder, ticket+".unfinished-*"))
	if err != nil {
		return err
	}
	for _, left := range lefts {
		if err := os.RemoveAll(left); err != nil {
			return err
		}
	}
	if err := d.answer(ctx, ticket, message); err != nil {
		return err
	}
	remove := &store.DeleteMessagesRequest{Account: d.account, MessageIds: []int64{id}}
	if _, err := call(ctx, d.messages.DeleteMessages, remove); err != nil {
		return err
	}
	fmt.Println("ticket", ticket)
	return nil
}

// attachment is one in ticket.json.
type attachment struct {
	File   string `json:"file"`
	SentAs string `json:"sent_as"`
	Type   string `json:"type"`
}

func (d *desk) write(ctx context.Context, ticket string, message *store.Message) error {
	finished := filepath.Join(d.folder, ticket)
	if _, err := os.Stat(finished); err == nil {
		return nil
	}
	unfinished := finished + ".unfinished-" + d.name
	if err := os.RemoveAll(unfinished); err != nil {
		return err
	}
	if err := os.Mkdir(unfinished, 0o777); err != nil {
		return err
	}
	parts := make(map[string]*store.Part)
	for _, part := range message.GetParsed().GetParts() {
		parts[part.GetPartId()] = part
	}
	attachments := []attachment{}
	for i, id := range message.GetParsed().GetAttachmentPartIds() {
		file := fmt.Sprintf("attachment-%d", i+1)
		if err := d.fetch(ctx, message.GetSummary().GetMessageId(), id, filepath.Join(unfinished, file)); err != nil {
			return err
		}
		attachments = append(attachments, attachment{file, parts[id].GetFileName(), parts[id].GetMediaType()})
	}
	text := parts[message.GetParsed().GetPlainTextPartId()]
	if text == nil {
		text = parts[message.GetParsed().GetHtmlTextPartId()]
	}
	from := []string{}
	for _, address := range message.GetHeader().GetFromAddresses() {
		from = append(from, address.GetAddress())
	}
	about, err := json.MarshalIndent(map[string]any{
		"from": from, "subject": message.GetHeader().GetSubject(), "text": text.GetText(), "attachments": attachments,
	}, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(unfinished, "ticket.json"), append(about, '\n'), 0o666); err != nil {
		return err
	}
	if err := os.Rename(unfinished, finished); err != nil {
		if _, missing := os.Stat(finished); missing != nil {
			return err
		}
		// Another desk has written it meanwhile.
	}
	return nil
}

func (d *desk) fetch(ctx context.Context, id int64, part, path string) error {
	return repeat(ctx, 20*deadline, func(ctx context.Context) error { return d.fetchOnce(ctx, id, part, path) })
}

func (d *desk) fetchOnce(ctx context.Context, id int64, part, path string) error {
	stream, err := d.messages.FetchMessage(ctx, &store.FetchMessageRequest{Account: d.account, MessageId: id, PartId: part})
	if err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	for {
		piece, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return file.Close()
		}
		if err != nil {
			return err
		}
		if _, err := file.Write(piece.GetContent()); err != nil {
			return err
		}
	}
}

// wantsAnswer is false for what a program or a list has sent (RFC 3834 section 2).
func wantsAnswer(message *store.Message) bool {
	if message.GetSummary().GetReversePath() == "" {
		return false
	}
	for _, field := range message.GetHeader().GetFields() {
		value := strings.ToLower(field.GetValue())
		switch strings.ToLower(field.GetName()) {
		case "list-id":
			return false
		case "auto-submitted":
			if value != "no" {
				return false
			}
		case "precedence":
			if value == "bulk" || value == "junk" || value == "list" {
				return false
			}
		}
	}
	return true
}

func (d *desk) answer(ctx context.Context, ticket string, message *store.Message) error {
	if !wantsAnswer(message) {
		return nil
	}
	sender, number := message.GetSummary().GetReversePath(), ticket[:8]
	subject := strings.ReplaceAll(mime.BEncoding.Encode("utf-8", message.GetHeader().GetSubject()), "?= =?", "?=\r\n =?")
	lines := []string{
		"From: " + d.account, "To: " + sender, fmt.Sprintf("Subject: [%s] %s", number, subject),
		"Auto-Submitted: auto-replied",
	}
	if thread := message.GetHeader().GetHeaderMessageId(); thread != "" {
		lines = append(lines, "In-Reply-To: <"+thread+">", "References: <"+thread+">")
	}
	lines = append(lines, "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", "",
		fmt.Sprintf("We have got your message. Its number is %s.", number), "")
	_, err := call(ctx, d.submissions.SubmitMessage, &store.SubmitMessageRequest{
		RequestId: ticket,
		Account:   d.account,
		Envelope:  &store.Envelope{Recipients: []*store.EnvelopeRecipient{{Address: sender}}},
		Content:   []byte(strings.Join(lines, "\r\n")),
	})
	if err != nil && ctx.Err() == nil {
		// No answer is no reason to lose the ticket.
		log.Printf("no answer to %s: %s", sender, explain(err))
		return nil
	}
	return err
}
