// Only in builds for the thread sanitizer, in front of protobuf's own header: there MapFieldBase has two more members then,
// which the installed library does not know of, so that every map that crosses the line between them would be read amiss.
#pragma push_macro("__SANITIZE_THREAD__")
#undef __SANITIZE_THREAD__
#include_next <google/protobuf/map_field.h>
#pragma pop_macro("__SANITIZE_THREAD__")
