// What is wrong with a message or one of its parts. None of it keeps a message from being read; each is a place where
// programs may read the same bytes in different ways. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace mailstead::mime {

enum class Defect {
  // Of the structure.
  kMissingEndBoundary,    // a multipart ends without its close-delimiter
  kMissingStartBoundary,  // a multipart without any delimiter: it has no parts
  kNoBoundary,    // a multipart without the parameter boundary, or with one that cannot be: read as a leaf
  kPartAfterEnd,  // a delimiter of a multipart behind its close-delimiter: read as a part of the epilogue
  kHeaderWithoutEnd,  // a line that is no field, and not empty, ends the header and begins the body
  kEnvelopeLine,      // a line of mbox ("From ") in front of the fields: passed over
  kEncodedMultipart,  // a multipart in base64 or quoted-printable (RFC 2045 section 6.4): read as if it were not
  kEncodedMessage,  // a message/rfc822 in base64 or quoted-printable (RFC 2046 section 5.2.1): read as a leaf
  // Limits of limits.h.
  kTooDeep,            // of the part that is read as a leaf
  kTooManyParts,       // of the multipart or message whose further parts are left out
  kHeaderTooLarge,     // of the message: further fields are not kept
  kFieldTooLong,       // of the part in whose header the field is: its beginning was read
  kTooManyParameters,  // further ones are left out
  kPartTextDropped,    // parameters, file name, id and description of this part are left out
  // Of lines.
  kBareLf,
  kBareCr,
  kNul,
  kLineTooLong,
  k8BitHeader,  // allowed in UTF-8 (RFC 6532); other bytes are read as windows-1252
  // Of the content.
  k8BitIn7Bit,              // bytes above 127 in a body that says, or says nothing, that it has none
  kUnknownEncoding,         // of Content-Transfer-Encoding: read as it is
  kUnknownCharset,          // of a text: read as if it had named none
  kBase64Garbage,           // characters that are none of base64's and no white space: passed over
  kBase64Length,            // the end of a byte is missing, or its padding
  kBase64AfterPadding,      // base64 goes on behind a padding: read on
  kQuotedPrintableGarbage,  // "=" without what must follow it: read as it is
  // Of fields.
  kDuplicateField,  // a field twice that may be there once (RFC 5322 section 3.6, RFC 2045): the first one counts
  kBadContentType,      // no type/subtype: read as text/plain (RFC 2045 section 5.2), or with more behind it
  kBadParameter,        // no name=value; a quoted string without its end; text behind a value
  kDuplicateParameter,  // a parameter twice: the form of RFC 2231 counts, then the first one
  kParameterHole,       // a piece of a continued parameter is missing: what is there is put together
  kEncodedWordInParameter,  // where RFC 2047 section 5 allows none: decoded all the same
  kLast = kEncodedWordInParameter,
};

// As documents and golden files name it: "missing-end-boundary".
absl::string_view DefectName(Defect defect);

class DefectSet {
 public:
  void Add(Defect defect) { bits_ |= Bit(defect); }
  void Add(DefectSet others) { bits_ |= others.bits_; }
  bool Has(Defect defect) const { return (bits_ & Bit(defect)) != 0; }
  bool empty() const { return bits_ == 0; }
  // In the order of the enumeration.
  std::vector<Defect> List() const;
  // The names, with a blank between two.
  std::string ToString() const;

  friend bool operator==(DefectSet, DefectSet) = default;

 private:
  static uint64_t Bit(Defect defect) { return uint64_t{1} << static_cast<int>(defect); }

  uint64_t bits_ = 0;
};

}  // namespace mailstead::mime
