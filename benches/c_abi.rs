//! What the C ABI adds to a decision: the same decision by Rust and through the shared library, in
//! the same run. The library is the release build's (`cargo build --release --package cotas-ffi`).

use std::ffi::{CStr, c_char, c_void};
use std::hint::black_box;
use std::path::PathBuf;
use std::ptr;

use cotas_core::{Catalog, Engine, NewTenant, Tenant};
use criterion::{Criterion, criterion_group, criterion_main};

const CATALOG: &str = r#"
    [resources.credits]
    kind = "allowance"
    [plans.full]
    title = "Plano full"
    price = "299.00"
    limits = { credits = 9000000000000000000 }
"#;
const TENANT: &str = r#"{ "form": { "name": "acme", "plan":
    { "name": "full", "first_due": "2096-01-01", "auto_renew": true } } }"#;

/// A decision as the header has it: its size, and the rest of it.
#[repr(C)]
struct Decision {
    struct_size: u32,
    allowed: u32,
    rest: [u64; 34],
}

type OpenInMemory = unsafe extern "C" fn(*const c_void, *mut *mut c_void, *mut c_void) -> i32;
type LoadCatalog = unsafe extern "C" fn(
    *const c_void,
    *const c_char,
    usize,
    *const c_char,
    usize,
    *mut u64,
    *mut c_void,
) -> i32;
type Call = unsafe extern "C" fn(
    *const c_void,
    *const c_char,
    usize,
    *const c_char,
    usize,
    *const c_char,
    usize,
    *mut c_char,
    usize,
    *mut usize,
    *mut c_void,
) -> i32;
type OpenTenant =
    unsafe extern "C" fn(*const c_void, *const c_char, usize, *mut *mut c_void, *mut c_void) -> i32;
type Resource =
    unsafe extern "C" fn(*const c_void, *const c_char, usize, *mut u32, *mut c_void) -> i32;
type DecideId = unsafe extern "C" fn(*const c_void, u32, u64, *mut Decision, *mut c_void) -> i32;
type Consume = unsafe extern "C" fn(
    *const c_void,
    *const c_char,
    usize,
    u64,
    *const c_char,
    usize,
    *mut Decision,
    *mut c_void,
) -> i32;

/// The shared library that lies beside this program.
struct Library(*mut c_void);

impl Library {
    fn open() -> Library {
        let program = std::env::current_exe().expect("has a path");
        let release: PathBuf = program.ancestors().nth(2).expect("in a target folder").to_owned();
        let path = release.join("libcotas.so").into_os_string().into_encoded_bytes();
        let path = std::ffi::CString::new(path).expect("has no NUL");
        // SAFETY: the path is a C string; the library's constructors are the standard library's.
        let library = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW) };
        assert!(!library.is_null(), "{path:?}: build it with --release first");
        Library(library)
    }

    /// A function of the library.
    ///
    /// # Safety
    /// `F` is the type of the function, as the header has it.
    unsafe fn function<F: Copy>(&self, name: &CStr) -> F {
        // SAFETY: the library is open, the name is a C string.
        let found = unsafe { libc::dlsym(self.0, name.as_ptr()) };
        assert!(!found.is_null(), "{name:?}");
        // SAFETY: the caller's word; a pointer to a function is a pointer.
        unsafe { std::mem::transmute_copy(&found) }
    }
}

/// A tenant behind the C ABI, and what decides about it.
struct Abi {
    tenant: *mut c_void,
    credits: u32,
    consume_id: DecideId,
    check_id: DecideId,
    consume: Consume,
}

impl Abi {
    fn new() -> Abi {
        let library = Library::open();
        let (mut engine, mut tenant) = (ptr::null_mut(), ptr::null_mut());
        let mut credits = 0;
        let text = |text: &'static str| (text.as_ptr().cast::<c_char>(), text.len());
        let (catalog, form) = (text(CATALOG), text(TENANT));
        let (name, acme, resource) = (text("bench.toml"), text("acme"), text("credits"));
        let none = ptr::null_mut::<c_void>();
        // SAFETY: types and arguments are the header's.
        unsafe {
            let open: OpenInMemory = library.function(c"cotas_engine_open_in_memory");
            let load: LoadCatalog = library.function(c"cotas_load_catalog");
            let find: OpenTenant = library.function(c"cotas_tenant_open");
            let number: Resource = library.function(c"cotas_resource");
            assert_eq!(open(ptr::null(), &raw mut engine, none), 0);
            let version = ptr::null_mut();
            assert_eq!(load(engine, catalog.0, catalog.1, name.0, name.1, version, none), 0);
            create(library.function(c"cotas_call"), engine, form);
            assert_eq!(find(engine, acme.0, acme.1, &raw mut tenant, none), 0);
            assert_eq!(number(engine, resource.0, resource.1, &raw mut credits, none), 0);
            Abi {
                tenant,
                credits,
                consume_id: library.function(c"cotas_consume_id"),
                check_id: library.function(c"cotas_check_id"),
                consume: library.function(c"cotas_consume"),
            }
        }
    }

    fn decide(&self, decide: DecideId) -> u32 {
        let mut decision = empty();
        // SAFETY: the handle is open, the struct says its size.
        let code =
            unsafe { decide(self.tenant, self.credits, 1, &raw mut decision, ptr::null_mut()) };
        assert_eq!(code, 0);
        black_box(&decision).allowed
    }

    fn consume_by_name(&self) -> u32 {
        let (name, mut decision) = ("credits", empty());
        // SAFETY: as above; the text is there for the call.
        let code = unsafe {
            (self.consume)(
                self.tenant,
                name.as_ptr().cast(),
                name.len(),
                1,
                ptr::null(),
                0,
                &raw mut decision,
                ptr::null_mut(),
            )
        };
        assert_eq!(code, 0);
        black_box(&decision).allowed
    }
}

/// Creates the tenant of a form, by an operation whose result is not wanted.
///
/// # Safety
/// `call` is the header's, the engine is open, and the form is a text of that length.
unsafe fn create(call: Call, engine: *const c_void, form: (*const c_char, usize)) {
    let (name, key) = ("create_tenant", ptr::null());
    let (buffer, needed, error) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    let (name, len) = (name.as_ptr().cast(), name.len());
    // SAFETY: the caller's word.
    let code = unsafe { call(engine, name, len, form.0, form.1, key, 0, buffer, 0, needed, error) };
    assert_eq!(code, 0);
}

fn empty() -> Decision {
    Decision { struct_size: size_of::<Decision>() as u32, allowed: 0, rest: [0; 34] }
}

fn by_rust() -> Tenant {
    let engine = Engine::in_memory().open().expect("opens");
    let catalog = Catalog::parse(CATALOG, "bench.toml").expect("is valid");
    engine.load_catalog(&catalog).expect("loads");
    let due = "2096-01-01".parse().expect("is a date");
    engine.create_tenant(&NewTenant::new("acme").plan("full", due, true)).expect("is new");
    engine.tenant("acme").expect("is there")
}

fn decisions(criterion: &mut Criterion) {
    let (tenant, abi) = (by_rust(), Abi::new());
    let credits = cotas_core::ResourceId::from_number(abi.credits as u16);
    assert!(tenant.consume(credits, 1).expect("decides").allowed());
    let mut group = criterion.benchmark_group("c_abi");
    group.bench_function("consume_rust", |bench| bench.iter(|| tenant.consume(credits, 1)));
    group.bench_function("consume_c", |bench| bench.iter(|| abi.decide(abi.consume_id)));
    group.bench_function("check_rust", |bench| bench.iter(|| tenant.check(credits, 1)));
    group.bench_function("check_c", |bench| bench.iter(|| abi.decide(abi.check_id)));
    group.bench_function("consume_by_name_rust", |bench| {
        bench.iter(|| tenant.consume(black_box("credits"), 1));
    });
    group.bench_function("consume_by_name_c", |bench| bench.iter(|| abi.consume_by_name()));
    group.finish();
}

criterion_group!(benches, decisions);
criterion_main!(benches);
