"""Stands between a front-end and the store, and loses what the store answers."""

import contextlib
import socket
import threading


class LossyProxy:
    """Listens on `address` and passes on to `target` (host:port). Thread-safe."""

    def __init__(self, target):
        self._target = target.rsplit(":", 1)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._lock = threading.Lock()
        self._pairs = []
        # Set while answers are thrown away.
        self._deaf = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    @contextlib.contextmanager
    def losing_answers(self):
        """Within it requests reach the store and its answers reach nobody; at its end all connections break."""
        self._deaf.set()
        try:
            yield
        finally:
            self.break_all()
            self._deaf.clear()

    def break_all(self):
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for sock in pair:
                # Wakes the threads that read from it.
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def close(self):
        self._listener.close()
        self.break_all()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                store = socket.create_connection((self._target[0], int(self._target[1])), timeout=5)
            except OSError:
                client.close()
                continue
            store.settimeout(None)
            for sock in (client, store):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._pairs.append((client, store))
            threading.Thread(target=self._pump, args=(client, store, False), daemon=True).start()
            threading.Thread(target=self._pump, args=(store, client, True), daemon=True).start()

    def _pump(self, source, sink, answers):
        try:
            while data := source.recv(65536):
                if not (answers and self._deaf.is_set()):
                    sink.sendall(data)
        except OSError:
            pass
        for sock in (source, sink):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
