#include "stored/engine/rocksdb/chunk_codec.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "absl/strings/str_cat.h"

namespace mailstead::engine {
namespace {

std::string Noise(size_t size) {
  std::minstd_rand random(7);
  std::string noise(size, '\0');
  for (char& c : noise) c = static_cast<char>(random() >> 8);
  return noise;
}

std::string Text(size_t size) {
  std::string text;
  for (int i = 0; text.size() < size; ++i) absl::StrAppend(&text, "Line ", i * i, " of a letter.\r\n");
  return text.substr(0, size);
}

std::string Packed(absl::string_view chunk) {
  std::string buffer;
  return std::string(PackChunk(chunk, buffer));
}

TEST(ChunkCodec, GivesBackWhatItWasGiven) {
  for (const size_t size : {1, 2, 7, 8, 100, 4096, 65535, 65536}) {
    for (const std::string& chunk : {Text(size), Noise(size), std::string(size, 'X')}) {
      std::string unpacked;
      ASSERT_TRUE(UnpackChunk(Packed(chunk), size, unpacked).ok()) << size;
      EXPECT_EQ(unpacked, chunk);
    }
  }
}

TEST(ChunkCodec, TextIsPackedAndNoiseIsNot) {
  EXPECT_LT(Packed(Text(4096)).size(), 2048u);
  EXPECT_EQ(Packed(Noise(4096)), Noise(4096));
  EXPECT_EQ(Packed("x"), "x");
}

// As a store of schema version 1 has it.
TEST(ChunkCodec, AChunkThatWasNotPackedIsTakenAsItIs) {
  std::string chunk;
  ASSERT_TRUE(UnpackChunk(Text(4096), 4096, chunk).ok());
  EXPECT_EQ(chunk, Text(4096));
}

TEST(ChunkCodec, DamageIsToldFromContent) {
  std::string chunk;
  const std::string packed = Packed(Text(4096));
  EXPECT_EQ(UnpackChunk(packed.substr(0, packed.size() / 2), 4096, chunk).code(),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(UnpackChunk("", 4096, chunk).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(UnpackChunk("not a frame", 4096, chunk).code(), absl::StatusCode::kDataLoss);
  // A whole frame of another size, shorter and longer.
  EXPECT_EQ(UnpackChunk(packed, 4097, chunk).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(UnpackChunk(packed, 4095, chunk).code(), absl::StatusCode::kDataLoss);
  // A chunk that was not packed and lost its end.
  EXPECT_EQ(UnpackChunk(Noise(4095), 4096, chunk).code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace mailstead::engine
