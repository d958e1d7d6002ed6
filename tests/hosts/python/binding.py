"""libcotas by ctypes: as much of it as the story needs.

Programs use the package `cotas`, which is made of the same engine; this is the C ABI from Python.
"""

import ctypes
import json
import os
from ctypes import byref, c_char, c_char_p, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p


class CError(ctypes.Structure):
    _fields_ = [("struct_size", c_uint32), ("code", c_int32), ("message", c_char * 256)]


class CCharge(ctypes.Structure):
    _fields_ = [("units", c_uint64), ("resource", c_uint32), ("source", c_int32)]


class Decision(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_uint32), ("allowed", c_uint32), ("reason", c_int32),
        ("reasons", c_uint32), ("shadowed", c_uint32), ("flags", c_uint32),
        ("resource", c_uint32), ("mode", c_int32), ("units", c_uint64), ("used", c_uint64),
        ("available", c_uint64), ("limit", c_uint64), ("retry_at_ms", c_int64),
        ("session_expires_at_ms", c_int64), ("lease_expires_at_ms", c_int64),
        ("fencing", c_uint64), ("reservation", c_char * 40), ("receipt", c_char * 40),
        ("charge_count", c_uint32), ("reserved", c_uint32), ("charges", CCharge * 6),
    ]  # fmt: skip


MODE_FINITE, REPLAYED, SESSION_OPENED = 1, 8, 16
E_BUFFER = 5

_TEXT = [c_char_p, c_size_t]
_SIGNATURES = {
    "cotas_options_new": [c_void_p],
    "cotas_options_close": None,
    "cotas_options_set_time": [c_void_p, c_int64],
    "cotas_engine_open": [*_TEXT, c_void_p, c_void_p],
    "cotas_engine_close": None,
    "cotas_engine_set_time": [c_void_p, c_int64],
    "cotas_load_catalog": [c_void_p, *_TEXT, *_TEXT, c_void_p],
    "cotas_call": [c_void_p, *_TEXT, *_TEXT, *_TEXT, c_char_p, c_size_t, c_void_p],
    "cotas_tenant_open": [c_void_p, *_TEXT, c_void_p],
    "cotas_tenant_close": None,
    "cotas_perform": [c_void_p, *_TEXT, *_TEXT, *_TEXT, c_uint64, c_int64, *_TEXT, c_void_p],
}
_library = ctypes.CDLL(os.environ.get("COTAS_LIBRARY", "libcotas.so.1"))
for _name, _arguments in _SIGNATURES.items():
    _function = getattr(_library, _name)
    _function.argtypes = [c_void_p] if _arguments is None else [*_arguments, c_void_p]
    _function.restype = c_int32
_library.cotas_reason_name.argtypes = [c_int32]
_library.cotas_reason_name.restype = c_char_p


def reason_name(reason):
    """What a reason is called; `None` for none."""
    name = _library.cotas_reason_name(reason)
    return name and name.decode()


class CotasError(Exception):
    def __init__(self, error):
        super().__init__(error.message.decode())
        self.code = error.code


def _call(name, *arguments, expected=(0,)):
    error = CError(struct_size=ctypes.sizeof(CError))
    code = getattr(_library, name)(*arguments, byref(error))
    if code not in expected:
        raise CotasError(error)
    return code


def _text(text):
    """The two arguments of a text. `None`: NULL."""
    raw = None if text is None else text.encode()
    return raw, len(raw or b"")


class Engine:
    """The quota engine of one database. `now_ms` gives it a clock of its own."""

    def __init__(self, path, now_ms=None):
        options, self._handle = c_void_p(), c_void_p()
        _call("cotas_options_new", byref(options))
        try:
            if now_ms is not None:
                _call("cotas_options_set_time", options, now_ms)
            _call("cotas_engine_open", *_text(path), options, byref(self._handle))
        finally:
            _library.cotas_options_close(options)

    def set_time(self, now_ms):
        _call("cotas_engine_set_time", self._handle, now_ms)

    def load_catalog(self, text, name):
        version = c_uint64()
        _call("cotas_load_catalog", self._handle, *_text(text), *_text(name), byref(version))
        return version.value

    def call(self, operation, key=None, **arguments):
        """Calls an operation of the control plane (docs/operations.md) and gives its result as JSON
        text. Where the buffer is too small, nothing was changed."""
        texts = (*_text(operation), *_text(json.dumps(arguments)), *_text(key))
        needed, capacity = c_size_t(), 4096
        while True:
            buffer = ctypes.create_string_buffer(capacity)
            space = (buffer, capacity, byref(needed))
            if _call("cotas_call", self._handle, *texts, *space, expected=(0, E_BUFFER)) == 0:
                return buffer.value.decode()
            capacity = needed.value

    def ensure_tenant(self, document):
        return json.loads(self.call("ensure_tenant", form=document))

    def statement(self, tenant):
        return self.call("statement", tenant=tenant)

    def tenant(self, name):
        handle = c_void_p()
        _call("cotas_tenant_open", self._handle, *_text(name), byref(handle))
        return Tenant(handle)

    def close(self):
        _library.cotas_engine_close(self._handle)


class Tenant:
    def __init__(self, handle):
        self._handle = handle

    def perform(self, action, channel="", contact="", quantity=1, at_ms=0, key=None):
        decision = Decision(struct_size=ctypes.sizeof(Decision))
        about = (*_text(action), *_text(channel), *_text(contact), quantity, at_ms, *_text(key))
        _call("cotas_perform", self._handle, *about, byref(decision))
        return decision

    def close(self):
        _library.cotas_tenant_close(self._handle)
