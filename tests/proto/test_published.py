"""google/rpc and grpc/health are what everybody else has: a program whose descriptor pool holds the published files takes
ours, which import them."""

import unittest
import zipfile

from google.protobuf import descriptor_pb2, descriptor_pool

from mailstead.paths import tool
from mailstead.registries import pip_download

from case import HERE, ProtoCase, kept_folder, ours, python_stubs, serialized_in

STATUS, DETAILS = "google/rpc/status.proto", "google/rpc/error_details.proto"
HEALTH = "grpc/health/v1/health.proto"
STANDARD_TYPES = [f"google/protobuf/{name}.proto" for name in ("any", "duration", "field_mask", "timestamp", "wrappers")]


def module_of(file):
    return file.removesuffix(".proto") + "_pb2.py"


class PublishedTest(ProtoCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.published = {}
        for wheel in pip_download(HERE / "requirements.txt", kept_folder("published")):
            with zipfile.ZipFile(wheel) as files:
                cls.published |= {name: files.read(name) for name in files.namelist()}

    def setUp(self):
        """Ours, as applications have them: compiled."""
        self.stubs = self.folder()
        self.files = [STATUS, DETAILS, HEALTH, *ours("mailstead/store/v1"), *ours("mailstead/frontend/v1")]
        python_stubs([tool("protoc")], self.stubs, self.files)

    def compiled(self, file):
        return serialized_in((self.stubs / module_of(file)).read_text(encoding="utf-8"))

    def published_descriptor(self, module):
        return serialized_in(self.published[module].decode())

    def parse(self, serialized):
        return descriptor_pb2.FileDescriptorProto.FromString(serialized)

    def test_google_rpc_is_as_published(self):
        for file in (STATUS, DETAILS):
            self.assertEqual(self.parse(self.published_descriptor(module_of(file))), self.parse(self.compiled(file)))

    def test_health_is_as_published(self):
        """Under the name that it has everywhere but in Python's package."""
        published = self.parse(self.published_descriptor("grpc_health/v1/health_pb2.py"))
        published.name = HEALTH
        self.assertEqual(published, self.parse(self.compiled(HEALTH)))

    def test_a_pool_with_the_published_files_takes_ours(self):
        pool = descriptor_pool.DescriptorPool()
        for file in STANDARD_TYPES:
            pool.AddSerializedFile(descriptor_pool.Default().FindFileByName(file).serialized_pb)
        for file in (STATUS, DETAILS):
            pool.AddSerializedFile(self.published_descriptor(module_of(file)))
        waiting = [file for file in self.files if file != HEALTH]
        while waiting:
            # What imports something that is not there yet comes later.
            ready = [file for file in waiting
                     if not set(self.parse(self.compiled(file)).dependency) & set(waiting) - {file}]
            for file in ready:
                pool.AddSerializedFile(self.compiled(file))
                waiting.remove(file)
        self.assertIn("ListMessages", pool.FindServiceByName("mailstead.store.v1.MessageService").methods_by_name)
        self.assertIn("Calls", pool.FindServiceByName("mailstead.frontend.v1.BatchService").methods_by_name)
        self.assertIn("reason", pool.FindMessageTypeByName("google.rpc.ErrorInfo").fields_by_name)


class OptionsTest(ProtoCase):

    def test_every_file_says_where_its_code_goes(self):
        """Without them Go does not compile them, and Java has a class for each file."""
        stubs = self.folder()
        files = [STATUS, DETAILS, HEALTH, *ours("mailstead/store/v1"), *ours("mailstead/frontend/v1")]
        python_stubs([tool("protoc")], stubs, files)
        for file in files:
            with self.subTest(file=file):
                module = (stubs / module_of(file)).read_text(encoding="utf-8")
                options = descriptor_pb2.FileDescriptorProto.FromString(serialized_in(module)).options
                self.assertTrue(options.go_package)
                self.assertTrue(options.java_package)
                self.assertTrue(options.java_multiple_files)
                if file.startswith("mailstead/"):
                    self.assertTrue(options.csharp_namespace)


if __name__ == "__main__":
    unittest.main()
