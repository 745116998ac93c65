# Writes a source with the bytes of a file: cmake -DINPUT=file -DOUTPUT=x.cc -DSYMBOL=kName -P Embed.cmake. It defines
#   extern const char kName[];  extern const size_t kNameBytes;
file(READ "${INPUT}" hex HEX)
string(LENGTH "${hex}" digits)
math(EXPR size "${digits} / 2")
string(REGEX REPLACE "(..)" "\\\\x\\1" bytes "${hex}")
# A literal for each stretch: a compiler has a limit for one.
string(REGEX REPLACE "(................................................................)" "\\1\"\n\"" bytes "${bytes}")
file(WRITE "${OUTPUT}" "#include <cstddef>
extern const char ${SYMBOL}[];
extern const size_t ${SYMBOL}Bytes;
const char ${SYMBOL}[] =
\"${bytes}\";
const size_t ${SYMBOL}Bytes = ${size};
")
