package dev.mailstead.examples.desk;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.annotations.SerializedName;
import com.google.protobuf.ByteString;
import dev.mailstead.store.v1.AckConsumerRequest;
import dev.mailstead.store.v1.CreateConsumerRequest;
import dev.mailstead.store.v1.DeleteMessagesRequest;
import dev.mailstead.store.v1.Envelope;
import dev.mailstead.store.v1.EnvelopeRecipient;
import dev.mailstead.store.v1.FetchMessageRequest;
import dev.mailstead.store.v1.FetchMessageResponse;
import dev.mailstead.store.v1.GetMessageRequest;
import dev.mailstead.store.v1.HeaderField;
import dev.mailstead.store.v1.ListMessagesRequest;
import dev.mailstead.store.v1.ListMessagesResponse;
import dev.mailstead.store.v1.MailAddress;
import dev.mailstead.store.v1.Message;
import dev.mailstead.store.v1.MessageServiceGrpc;
import dev.mailstead.store.v1.MessageServiceGrpc.MessageServiceBlockingStub;
import dev.mailstead.store.v1.MessageView;
import dev.mailstead.store.v1.Part;
import dev.mailstead.store.v1.ResetConsumerRequest;
import dev.mailstead.store.v1.SubmissionServiceGrpc;
import dev.mailstead.store.v1.SubmissionServiceGrpc.SubmissionServiceBlockingStub;
import dev.mailstead.store.v1.SubmitMessageRequest;
import dev.mailstead.store.v1.WatchEvent;
import dev.mailstead.store.v1.WatchFilter;
import dev.mailstead.store.v1.WatchKind;
import dev.mailstead.store.v1.WatchRequest;
import dev.mailstead.store.v1.WatchResponse;
import dev.mailstead.store.v1.WatchServiceGrpc;
import dev.mailstead.store.v1.WatchServiceGrpc.WatchServiceBlockingStub;
import dev.mailstead.store.v1.WatchStart;
import io.grpc.CallCredentials;
import io.grpc.Channel;
import io.grpc.Context;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.AbstractStub;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.stream.Collectors;

final class Desk {
  private static final String CONSUMER = "support-desk";
  /** What a call may take, in seconds. A Watch has no end of its own. */
  private static final long DEADLINE = 30;

  /**
   * Of a stream: another desk is at work now, the key was changed, this one read too slowly, or there are too many streams.
   * This one waits for its turn.
   */
  private static final Set<Status.Code> TURN_LOST = Set.of(Status.Code.ABORTED, Status.Code.RESOURCE_EXHAUSTED);

  private static final Gson JSON = new GsonBuilder().setPrettyPrinting().disableHtmlEscaping().create();

  /** A file of a ticket, as ticket.json has it. */
  private record Attachment(String file, @SerializedName("sent_as") String sentAs, String type) {}

  /** What ticket.json has. */
  private record Ticket(List<String> from, String subject, String text, List<Attachment> attachments) {}

  private final String account;
  private final Path folder;
  private final MessageServiceBlockingStub messages;
  private final SubmissionServiceBlockingStub submissions;
  private final WatchServiceBlockingStub watch;
  /** What no other desk is called. */
  private final UUID name = UUID.randomUUID();
  private String incarnation = "";

  Desk(Channel channel, CallCredentials key, String account, Path folder) throws IOException {
    this.account = account;
    this.folder = Files.createDirectories(folder);
    messages = MessageServiceGrpc.newBlockingStub(channel).withCallCredentials(key);
    submissions = SubmissionServiceGrpc.newBlockingStub(channel).withCallCredentials(key);
    watch = WatchServiceGrpc.newBlockingStub(channel).withCallCredentials(key);
  }

  /** What may be tried again. */
  private interface Attempt<R> {
    R run() throws IOException;
  }

  private static <S extends AbstractStub<S>, Q, R> R call(S stub, BiFunction<S, Q, R> method, Q request)
      throws IOException, InterruptedException {
    return repeat(() -> method.apply(stub.withDeadlineAfter(DEADLINE, TimeUnit.SECONDS), request));
  }

  /** Tries a call until it has an answer. */
  private static <R> R repeat(Attempt<R> attempt) throws IOException, InterruptedException {
    for (Backoff backoff = new Backoff(); ; ) {
      try {
        return attempt.run();
      } catch (StatusRuntimeException error) {
        Failure failure = Failure.of(error);
        if (!failure.mayBeRepeated()) {
          throw error;
        }
        backoff.sleep(failure.pause());
      }
    }
  }

  // ---- The feed

  /** Until something happens that no repetition mends. */
  void run() throws IOException, InterruptedException {
    createConsumer();
    for (Backoff backoff = new Backoff(); ; ) {
      Optional<Duration> asked = Optional.empty();
      try {
        follow(backoff);
      } catch (StatusRuntimeException error) {
        Failure failure = Failure.of(error);
        if (failure.reason().equals("CURSOR_EXPIRED")) {
          // What came meanwhile is not told any more. It is still in the mailbox.
          call(watch, WatchServiceBlockingStub::resetConsumer,
              ResetConsumerRequest.newBuilder().setName(CONSUMER).setStart(WatchStart.WATCH_START_NOW).build());
          continue;
        }
        if (!failure.mayBeRepeated() && !TURN_LOST.contains(failure.code())) {
          throw error;
        }
        asked = failure.pause();
      }
      backoff.sleep(asked);
    }
  }

  private void createConsumer() throws IOException, InterruptedException {
    WatchFilter only =
        WatchFilter.newBuilder().addAccounts(account).addKinds(WatchKind.WATCH_KIND_DELIVERED).build();
    try {
      call(watch, WatchServiceBlockingStub::createConsumer,
          CreateConsumerRequest.newBuilder().setName(CONSUMER).setFilter(only)
              .setStart(WatchStart.WATCH_START_NOW).build());
    } catch (StatusRuntimeException error) {
      if (error.getStatus().getCode() != Status.Code.ALREADY_EXISTS) {
        throw error;
      }
    }
  }

  /** One stream, to its end, which is the store's word. */
  private void follow(Backoff backoff) throws IOException, InterruptedException {
    // Closed, it ends the stream, also when this desk has had enough of it.
    try (Context.CancellableContext stream = Context.current().withCancellation()) {
      Iterator<WatchResponse> responses;
      Context outside = stream.attach();
      try {
        responses = watch.watch(WatchRequest.newBuilder().setConsumer(CONSUMER).build());
      } finally {
        stream.detach(outside);
      }
      while (responses.hasNext()) {
        WatchResponse response = responses.next();
        backoff.reset();
        takeEvents(response.getEventsList());
      }
    }
  }

  private void takeEvents(List<WatchEvent> events) throws IOException, InterruptedException {
    for (WatchEvent event : events) {
      if (event.hasStarted()) {
        // This desk is the active one. First what is there: from before the consumer was made, or left by another desk.
        incarnation = event.getStarted().getIncarnation();
        takeAll();
      } else if (event.hasDelivered()) {
        take(event.getDelivered().getMessageId());
      }
    }
    ByteString cursor = events.get(events.size() - 1).getCursor();
    // None while another desk is at work.
    if (!cursor.isEmpty()) {
      call(watch, WatchServiceBlockingStub::ackConsumer,
          AckConsumerRequest.newBuilder().setName(CONSUMER).setCursor(cursor).build());
    }
  }

  private void takeAll() throws IOException, InterruptedException {
    String token = "";
    do {
      ListMessagesResponse page =
          call(messages, MessageServiceBlockingStub::listMessages,
              ListMessagesRequest.newBuilder().setAccount(account).setPageToken(token).build());
      for (Message message : page.getMessagesList()) {
        take(message.getSummary().getMessageId());
      }
      token = page.getNextPageToken();
    } while (!token.isEmpty());
  }

  // ---- A message

  private void take(long messageId) throws IOException, InterruptedException {
    Message message;
    try {
      message =
          call(messages, MessageServiceBlockingStub::getMessage,
              GetMessageRequest.newBuilder().setAccount(account).setMessageId(messageId)
                  .setView(MessageView.MESSAGE_VIEW_PARSED).build());
    } catch (StatusRuntimeException error) {
      if (error.getStatus().getCode() == Status.Code.NOT_FOUND) {
        return; // Dealt with before a restart.
      }
      throw error;
    }
    // In another incarnation of the store the same id may be another message's.
    String ticket = sha256(incarnation + " " + account + " " + message.getSummary().getUniqueId());
    write(ticket, message);
    // Of desks that were killed, or are behind.
    try (DirectoryStream<Path> lefts = Files.newDirectoryStream(folder, ticket + ".unfinished-*")) {
      for (Path left : lefts) {
        remove(left);
      }
    }
    answer(ticket, message);
    call(messages, MessageServiceBlockingStub::deleteMessages,
        DeleteMessagesRequest.newBuilder().setAccount(account).addMessageIds(messageId).build());
    System.out.println("ticket " + ticket);
  }

  private static String sha256(String text) {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      return HexFormat.of().formatHex(digest.digest(text.getBytes(StandardCharsets.UTF_8)));
    } catch (NoSuchAlgorithmException missing) {
      throw new AssertionError("every Java has SHA-256", missing);
    }
  }

  private void write(String ticket, Message message) throws IOException, InterruptedException {
    Path finished = folder.resolve(ticket);
    if (Files.exists(finished)) {
      return;
    }
    Path unfinished = folder.resolve(ticket + ".unfinished-" + name);
    remove(unfinished);
    Files.createDirectory(unfinished);
    Map<String, Part> parts =
        message.getParsed().getPartsList().stream().collect(Collectors.toMap(Part::getPartId, Function.identity()));
    List<Attachment> attachments = new ArrayList<>();
    for (String partId : message.getParsed().getAttachmentPartIdsList()) {
      String file = "attachment-" + (attachments.size() + 1);
      fetch(message.getSummary().getMessageId(), partId, unfinished.resolve(file));
      Part part = parts.get(partId);
      attachments.add(new Attachment(file, part.getFileName(), part.getMediaType()));
    }
    Part text = parts.get(message.getParsed().getPlainTextPartId());
    if (text == null) {
      text = parts.get(message.getParsed().getHtmlTextPartId());
    }
    List<String> from = message.getHeader().getFromAddressesList().stream().map(MailAddress::getAddress).toList();
    Ticket about =
        new Ticket(from, message.getHeader().getSubject(), text == null ? "" : text.getText(), attachments);
    Files.writeString(unfinished.resolve("ticket.json"), JSON.toJson(about) + "\n");
    try {
      Files.move(unfinished, finished);
    } catch (FileAlreadyExistsException | DirectoryNotEmptyException written) {
      // Another desk has written it meanwhile.
    }
  }

  /** Deletes a folder, if it is there. */
  private static void remove(Path path) throws IOException {
    if (!Files.exists(path)) {
      return;
    }
    Files.walkFileTree(path, new SimpleFileVisitor<>() {
      @Override
      public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
        Files.deleteIfExists(file);
        return FileVisitResult.CONTINUE;
      }

      @Override
      public FileVisitResult visitFileFailed(Path file, IOException failed) throws IOException {
        if (failed instanceof NoSuchFileException) {
          return FileVisitResult.CONTINUE; // Another desk deletes it, too.
        }
        throw failed;
      }

      @Override
      public FileVisitResult postVisitDirectory(Path directory, IOException failed) throws IOException {
        Files.deleteIfExists(directory);
        return FileVisitResult.CONTINUE;
      }
    });
  }

  private void fetch(long messageId, String partId, Path path) throws IOException, InterruptedException {
    FetchMessageRequest request =
        FetchMessageRequest.newBuilder().setAccount(account).setMessageId(messageId).setPartId(partId).build();
    repeat(() -> {
      try (OutputStream file = Files.newOutputStream(path)) {
        Iterator<FetchMessageResponse> pieces =
            messages.withDeadlineAfter(20 * DEADLINE, TimeUnit.SECONDS).fetchMessage(request);
        while (pieces.hasNext()) {
          pieces.next().getContent().writeTo(file);
        }
      }
      return null;
    });
  }

  /** Whether it is not what a program or a list has sent (RFC 3834 section 2). */
  private static boolean wantsAnswer(Message message) {
    if (message.getSummary().getReversePath().isEmpty()) {
      return false;
    }
    for (HeaderField field : message.getHeader().getFieldsList()) {
      String value = field.getValue().toLowerCase(Locale.ROOT);
      boolean program =
          switch (field.getName().toLowerCase(Locale.ROOT)) {
            case "list-id" -> true;
            case "auto-submitted" -> !value.equals("no");
            case "precedence" -> Set.of("bulk", "junk", "list").contains(value);
            default -> false;
          };
      if (program) {
        return false;
      }
    }
    return true;
  }

  private void answer(String ticket, Message message) throws IOException, InterruptedException {
    if (!wantsAnswer(message)) {
      return;
    }
    String sender = message.getSummary().getReversePath();
    String number = ticket.substring(0, 8);
    String thread = message.getHeader().getHeaderMessageId();
    List<String> lines = new ArrayList<>(List.of(
        "From: " + account, "To: " + sender,
        "Subject: [" + number + "] " + Words.encoded(message.getHeader().getSubject()),
        "Auto-Submitted: auto-replied"));
    if (!thread.isEmpty()) {
      lines.addAll(List.of("In-Reply-To: <" + thread + ">", "References: <" + thread + ">"));
    }
    lines.addAll(List.of("MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", "",
        "We have got your message. Its number is " + number + ".", ""));
    try {
      call(submissions, SubmissionServiceBlockingStub::submitMessage,
          SubmitMessageRequest.newBuilder().setRequestId(ticket).setAccount(account)
              .setEnvelope(Envelope.newBuilder().addRecipients(EnvelopeRecipient.newBuilder().setAddress(sender)))
              .setContent(ByteString.copyFromUtf8(String.join("\r\n", lines))).build());
    } catch (StatusRuntimeException error) {
      // No answer is no reason to lose the ticket.
      System.err.println("no answer to " + sender + ": " + Failure.of(error));
    }
  }
}
