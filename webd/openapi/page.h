// The page on which the API is read and tried. It is one file, whose script and style are all that it may use: nothing is loaded
// from elsewhere, and nothing that a mail brings can become a part of it.
#pragma once

#include <string>

namespace mailstead::web {

struct DocsPage {
  std::string html;
  // Its Content-Security-Policy: script and style by their hashes.
  std::string policy;
};

DocsPage MakeDocsPage();

}  // namespace mailstead::web
