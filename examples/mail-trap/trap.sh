# For tests in bash that wait for mail, with curl and jq: `source trap.sh`. It is told by
#
#   TRAP_URL      where webd is
#   TRAP_KEY      a key with the scopes mail.watch, mail.read and mail.delete
#   TRAP_MAILBOX  the mailbox that all mail comes into
# shellcheck shell=bash

# wait_for_mail ADDRESS [SECONDS] gives the first mail to that address as JSON, the parsed view of the store's Message. It may be
# there already; else this call waits for it, and fails after 30 seconds or as many as are said.
wait_for_mail() {
  local events status=0
  exec {events}< <(exec curl --silent --show-error --no-buffer --max-time "${2:-30}" \
    --header "Authorization: Bearer $TRAP_KEY" \
    "$TRAP_URL/v1/watch?account=$TRAP_MAILBOX&kind=delivered&start=oldest&view=parsed")
  jq --null-input --raw-input --compact-output --exit-status --arg address "$1" '
    first(inputs | select(startswith("data: ") or startswith("{")) | ltrimstr("data: ") | fromjson |
      if .code then error("\(.code): \(.message)") else .delivered.message end |
      select(.summary.recipients | index($address)))' <&"$events" || status=$?
  kill $! 2>/dev/null || true
  exec {events}<&-
  return $status
}

# first_link MAIL gives the first link in its texts.
first_link() {
  jq --raw-output '[.parsed.parts[].text // empty | scan("https?://[^\\s<>\"]+")] | first // error("no link")' <<<"$1"
}

# delete_mail MAIL
delete_mail() {
  jq --compact-output --arg account "$TRAP_MAILBOX" '{account: $account, messageIds: [.summary.messageId]}' <<<"$1" |
    curl --silent --show-error --fail-with-body --header "Authorization: Bearer $TRAP_KEY" \
      --header 'Content-Type: application/json' --data-binary @- --output /dev/null \
      "$TRAP_URL/mailstead.store.v1.MessageService/DeleteMessages"
}
