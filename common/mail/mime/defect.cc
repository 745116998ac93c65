#include "common/mail/mime/defect.h"

namespace mailstead::mime {
namespace {

static_assert(static_cast<int>(Defect::kLast) < 64, "a DefectSet has 64 bits");

}  // namespace

absl::string_view DefectName(Defect defect) {
  switch (defect) {
    case Defect::kMissingEndBoundary:
      return "missing-end-boundary";
    case Defect::kMissingStartBoundary:
      return "missing-start-boundary";
    case Defect::kNoBoundary:
      return "no-boundary";
    case Defect::kPartAfterEnd:
      return "part-after-end";
    case Defect::kHeaderWithoutEnd:
      return "header-without-end";
    case Defect::kEnvelopeLine:
      return "envelope-line";
    case Defect::kEncodedMultipart:
      return "encoded-multipart";
    case Defect::kEncodedMessage:
      return "encoded-message";
    case Defect::kTooDeep:
      return "too-deep";
    case Defect::kTooManyParts:
      return "too-many-parts";
    case Defect::kHeaderTooLarge:
      return "header-too-large";
    case Defect::kFieldTooLong:
      return "field-too-long";
    case Defect::kTooManyParameters:
      return "too-many-parameters";
    case Defect::kPartTextDropped:
      return "part-text-dropped";
    case Defect::kBareLf:
      return "bare-lf";
    case Defect::kBareCr:
      return "bare-cr";
    case Defect::kNul:
      return "nul";
    case Defect::kLineTooLong:
      return "line-too-long";
    case Defect::k8BitHeader:
      return "8bit-header";
    case Defect::k8BitIn7Bit:
      return "8bit-in-7bit";
    case Defect::kUnknownEncoding:
      return "unknown-encoding";
    case Defect::kUnknownCharset:
      return "unknown-charset";
    case Defect::kBase64Garbage:
      return "base64-garbage";
    case Defect::kBase64Length:
      return "base64-length";
    case Defect::kBase64AfterPadding:
      return "base64-after-padding";
    case Defect::kQuotedPrintableGarbage:
      return "quoted-printable-garbage";
    case Defect::kDuplicateField:
      return "duplicate-field";
    case Defect::kBadContentType:
      return "bad-content-type";
    case Defect::kBadParameter:
      return "bad-parameter";
    case Defect::kDuplicateParameter:
      return "duplicate-parameter";
    case Defect::kParameterHole:
      return "parameter-hole";
    case Defect::kEncodedWordInParameter:
      return "encoded-word-in-parameter";
  }
  return "unknown";
}

std::vector<Defect> DefectSet::List() const {
  std::vector<Defect> list;
  for (int i = 0; i <= static_cast<int>(Defect::kLast); ++i) {
    if (Has(static_cast<Defect>(i))) list.push_back(static_cast<Defect>(i));
  }
  return list;
}

std::string DefectSet::ToString() const {
  std::string names;
  for (const Defect defect : List()) {
    if (!names.empty()) names.push_back(' ');
    const absl::string_view name = DefectName(defect);
    names.append(name.data(), name.size());
  }
  return names;
}

}  // namespace mailstead::mime
