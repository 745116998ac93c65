package dev.mailstead.examples.desk;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;

/** Text of header fields in ASCII (RFC 2047). */
final class Words {
  /** So that a word has at most 75 characters. */
  private static final int BYTES_OF_WORD = 45;

  private Words() {}

  static String encoded(String text) {
    if (text.chars().allMatch(c -> c >= ' ' && c <= '~')) {
      return text;
    }
    List<String> words = new ArrayList<>();
    StringBuilder word = new StringBuilder();
    text.codePoints().forEach(character -> {
      if (size(word.toString() + Character.toString(character)) > BYTES_OF_WORD) {
        words.add(word(word));
        word.setLength(0);
      }
      word.appendCodePoint(character);
    });
    words.add(word(word));
    return String.join("\r\n ", words);
  }

  private static int size(String text) {
    return text.getBytes(StandardCharsets.UTF_8).length;
  }

  private static String word(StringBuilder text) {
    byte[] bytes = text.toString().getBytes(StandardCharsets.UTF_8);
    return "=?utf-8?B?" + Base64.getEncoder().encodeToString(bytes) + "?=";
  }
}
