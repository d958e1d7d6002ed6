//! Opening and closing an engine, its clock and its catalog.

use std::ffi::c_char;
use std::sync::Arc;

use cotas_core::{Builder, Catalog, Engine, Error, ManualClock, ResourceId, Timestamp};

use crate::call::{self, Call, call};
use crate::error::cotas_error;
use crate::failure::Failure;
use crate::options::{OptionsHandle, cotas_options, durability};
use crate::table::{Handled, Object, Used};

/// The quota engine of one database. One database file has one engine per process: opening it again
/// gives another handle to the same.
///
/// Threads: any, also at once. Fork: a child may go on using the handles that it inherited, and
/// closes them for itself alone. Made by cotas_engine_open; closed by cotas_engine_close. The
/// database is released when its last handle is closed, those of its tenants included, unless it is
/// kept open (cotas_options_set_keep_open).
pub struct cotas_engine {
    _opaque: [u8; 0],
}

/// What a `cotas_engine` names.
#[derive(Clone)]
pub(crate) struct EngineHandle {
    pub(crate) engine: Engine,
    /// Its own clock, if it has one.
    pub(crate) clock: Option<Arc<ManualClock>>,
}

impl Handled for EngineHandle {
    const NAME: &'static str = "cotas_engine";

    #[inline]
    fn of(object: &Object) -> Option<&EngineHandle> {
        match object {
            Object::Engine(engine) => Some(engine),
            _ => None,
        }
    }
}

impl Call {
    /// The engine that a handle names.
    pub(crate) fn engine(
        &self,
        handle: *const cotas_engine,
    ) -> Result<Used<EngineHandle>, Failure> {
        self.get(handle)
    }

    fn open_engine(
        &self,
        path: Option<&str>,
        options: *const cotas_options,
        engine: *mut *mut cotas_engine,
    ) -> Result<(), Failure> {
        self.open(engine, || {
            let opened = if options.is_null() {
                OptionsHandle::default().open(path)
            } else {
                self.get::<OptionsHandle, _>(options)?.open(path)
            };
            opened.map(Object::Engine)
        })
    }

    /// What the options say of the database at `path`, which is not opened.
    pub(crate) fn builder(
        &self,
        path: &str,
        options: *const cotas_options,
    ) -> Result<Builder, Failure> {
        if options.is_null() {
            return Ok(Engine::builder(path));
        }
        Ok(self.get::<OptionsHandle, _>(options)?.builder(Some(path)))
    }

    /// A path, which names something.
    pub(crate) fn path<'a>(
        &'a self,
        from: *const c_char,
        len: usize,
        what: &'static str,
    ) -> Result<&'a str, Failure> {
        let path = self.text(from, len, what)?;
        let wrong = if path.is_empty() {
            "it is empty; a path is needed"
        } else if path.contains('\0') {
            "it contains a NUL character; any other character is allowed"
        } else {
            return Ok(path);
        };
        Err(Failure::argument(what, wrong.to_owned()))
    }
}

/// Opens the database at path, making it if there is none. options may be NULL: the defaults.
/// *engine is NULL unless it returns COTAS_OK.
///
/// Threads: any. Blocks: reads and writes the disk, unless this process has it open already. Fork:
/// open before or after forking, as you like.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_engine_open(
    path: *const c_char,
    path_len: usize,
    options: *const cotas_options,
    engine: *mut *mut cotas_engine,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let path = call.path(path, path_len, "path")?;
        call.open_engine(Some(path), options, engine)
    })
}

/// Opens a database in memory, which no other process sees and which is gone with its last handle:
/// for tests of a host. options may be NULL.
///
/// Threads: any. Blocks: never for long. Fork: a child does not share it with its parent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_engine_open_in_memory(
    options: *const cotas_options,
    engine: *mut *mut cotas_engine,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| call.open_engine(None, options, engine))
}

/// Gives another handle to the same engine, whose calls have another durability: a
/// cotas_durability. Close both. Tenants that are opened from it have it too.
///
/// Threads: any. Blocks: never. Fork: as cotas_engine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_engine_with_durability(
    engine: *const cotas_engine,
    durability: i32,
    other: *mut *mut cotas_engine,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.open(other, || {
            let from = call.engine(engine)?;
            let engine = from.engine.with_durability(self::durability(durability)?);
            Ok(Object::Engine(EngineHandle { engine, clock: from.clock.clone() }))
        })
    })
}

/// Gives another handle to the same engine, whose decisions never wait: one that would have to, for
/// another thread's lock, for SQLite or for the disk, is not made and returns COTAS_E_BUSY. For
/// event loops, which ask again from a thread of their own. An engine whose options make it wait in
/// any case (COTAS_DURABILITY_DISK, COTAS_MAINTENANCE_INLINE) has none: COTAS_E_INVALID_ARGUMENT.
/// Close both.
///
/// Threads: any. Blocks: never. Fork: as cotas_engine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_engine_without_waiting(
    engine: *const cotas_engine,
    other: *mut *mut cotas_engine,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.open(other, || {
            let from = call.engine(engine)?;
            let why = "by its options it waits in any case".to_owned();
            let engine = from.engine.without_waiting();
            let engine = engine.ok_or_else(|| Failure::argument("engine", why))?;
            Ok(Object::Engine(EngineHandle { engine, clock: from.clock.clone() }))
        })
    })
}

/// Closes an engine. Tenants that were opened from it go on, and keep the database open until they
/// are closed too. NULL is no error, and does nothing.
///
/// Threads: any; calls that are using it are finished first, by their own threads. Blocks: the last
/// handle writes what is not in SQLite yet, unless the engine is kept open. Fork: closes this
/// process's only.
#[unsafe(no_mangle)]
pub extern "C" fn cotas_engine_close(engine: *mut cotas_engine) -> i32 {
    call::close::<EngineHandle, _>(engine)
}

/// What the engine's clock shows, in milliseconds since 1970 in UTC.
///
/// Threads: any. Blocks: never. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_engine_now(
    engine: *const cotas_engine,
    now_ms: *mut i64,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        if now_ms.is_null() {
            return Err(Failure::null("now_ms"));
        }
        call.put(now_ms, 0);
        call.put(now_ms, call.engine(engine)?.engine.now().ms());
        Ok(())
    })
}

/// Sets the clock of an engine that has one of its own (cotas_options_set_time): for this handle,
/// those made from it, and its tenants. It may go back.
///
/// Threads: any. Blocks: never. Fork: parent and child have a clock each.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_engine_set_time(
    engine: *const cotas_engine,
    now_ms: i64,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        let engine = call.engine(engine)?;
        let clock = engine.clock.as_ref().ok_or_else(|| {
            let why = "the engine goes by the machine's clock; see cotas_options_set_time";
            Failure::argument("time", why.to_owned())
        })?;
        clock.set(Timestamp::from_ms(now_ms));
        Ok(())
    })
}

/// Puts a catalog in force, for all processes, at once. name is what messages call it; one that
/// ends in .json says that the text is JSON, any other that it is TOML. *version, unless NULL,
/// becomes the number of the catalog.
///
/// Threads: any. Blocks: waits for the disk. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_load_catalog(
    engine: *const cotas_engine,
    text: *const c_char,
    text_len: usize,
    name: *const c_char,
    name_len: usize,
    version: *mut u64,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.put(version, 0);
        let engine = call.engine(engine)?;
        let text = call.text(text, text_len, "catalog")?;
        let name = call.text(name, name_len, "catalog's name")?;
        let catalog = Catalog::parse(text, name)?;
        call.put(version, engine.engine.load_catalog(&catalog)?);
        Ok(())
    })
}

/// The number of a resource that can be consumed, which spares its look-up by name in every call. A
/// number stays with its name for as long as the database lives.
///
/// Threads: any. Blocks: never. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_resource(
    engine: *const cotas_engine,
    name: *const c_char,
    name_len: usize,
    resource: *mut u32,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        if resource.is_null() {
            return Err(Failure::null("resource"));
        }
        call.put(resource, u32::MAX);
        let engine = call.engine(engine)?;
        let id = engine.engine.resource(call.text(name, name_len, "resource")?)?;
        call.put(resource, u32::from(id.number()));
        Ok(())
    })
}

/// The name of the resource with a number, as a decision has it, as text.
///
/// Threads: any. Blocks: never. Fork: no matter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cotas_resource_name(
    engine: *const cotas_engine,
    resource: u32,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
    error: *mut cotas_error,
) -> i32 {
    // SAFETY: the header's contract.
    unsafe { call(error) }.run(|call| {
        call.put_text(buffer, capacity, needed, || {
            let engine = call.engine(engine)?;
            let name = engine.engine.resource_name(resource_id(resource));
            let unknown = || Error::UnknownResource(resource.to_string().as_str().into()).into();
            name.map(str::to_owned).ok_or_else(unknown)
        })
    })
}

/// The resource with a number. A number that none can have is that of none: using it is an error.
#[inline]
pub(crate) fn resource_id(number: u32) -> ResourceId {
    ResourceId::from_number(u16::try_from(number).unwrap_or(u16::MAX))
}
