//! What a Python program passes, read strictly: the exception names what was wrong, and repeats
//! the value unless it may be personal.

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use cotas::{Details, Direction, ReservationId, Timestamp, UnknownName};
use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDate, PyDateTime, PyDelta, PyDeltaAccess, PyMapping, PyString};

use crate::errors::invalid;

/// Characters of a value that a message repeats.
const SHOWN_CHARS: usize = 80;

/// A name: of a tenant, a resource, an action, a plan.
#[derive(Clone, Copy)]
pub struct Name<'a>(pub &'a str);

/// Text that no message may repeat: a contact, a holder, a key, a token.
#[derive(Clone, Copy, Default)]
pub struct Private<'a>(pub &'a str);

/// An idempotency key of a decision: text, which may say for how long it is kept (`cotas.Key`).
#[derive(Clone, Copy)]
pub struct Key<'a> {
    text: &'a str,
    kept_for: Option<Duration>,
}

/// A number of units.
#[derive(Clone, Copy)]
pub struct Units(pub u64);

/// Another whole number: of an invoice, a version, a lease.
#[derive(Clone, Copy)]
pub struct Whole<T>(pub T);

/// An instant: a `datetime` that knows its zone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct When(pub Timestamp);

/// A `date`, and not a `datetime`, which would need a zone.
#[derive(Clone, Copy)]
pub struct Day(pub NaiveDate);

/// A `timedelta` in milliseconds.
#[derive(Clone, Copy)]
pub struct Lapse(pub i64);

/// A path: text, or anything that `os.fspath` takes.
pub struct FilePath(pub PathBuf);

/// Which way a message goes.
#[derive(Clone, Copy)]
pub struct Way(pub Direction);

impl<'a, 'py> FromPyObject<'a, 'py> for Name<'a> {
    type Error = PyErr;

    #[inline]
    fn extract(obj: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        <&str>::extract(obj).map(Name).map_err(|error| no_text(obj, error, Some(shown(&obj))))
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for Private<'a> {
    type Error = PyErr;

    #[inline]
    fn extract(obj: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        <&str>::extract(obj).map(Private).map_err(|error| no_text(obj, error, None))
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for Key<'a> {
    type Error = PyErr;

    #[inline]
    fn extract(obj: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let Private(text) = Private::extract(obj)?;
        let says_more = !obj.is_exact_instance_of::<PyString>();
        let kept_for = if says_more { obj.getattr_opt("kept_for")? } else { None };
        let kept_for = kept_for.map(|lapse| lapse.extract::<Lapse>()?.duration()).transpose()?;
        Ok(Key { text, kept_for })
    }
}

impl Key<'_> {
    /// The tenant's operations, each at most once under this key.
    #[inline]
    pub fn of<'t>(&'t self, tenant: &'t cotas::Tenant) -> cotas::Once<'t> {
        let once = tenant.once(self.text);
        match self.kept_for {
            None => once,
            Some(lifetime) => once.kept_for(lifetime),
        }
    }
}

/// Why an object is no text: it is no `str`, or holds half a character.
#[cold]
fn no_text(obj: Borrowed<'_, '_, PyAny>, _: PyErr, shown: Option<String>) -> PyErr {
    let is_text = obj.is_instance_of::<PyString>();
    match (is_text, shown) {
        (true, Some(shown)) => invalid(&format!(
            "text: {shown} has a surrogate without its pair; valid Unicode is allowed"
        )),
        (true, None) => {
            invalid("text: it has a surrogate without its pair; valid Unicode is allowed")
        }
        (false, Some(shown)) => PyTypeError::new_err(format!("{shown} is not a str")),
        (false, None) => PyTypeError::new_err(format!("expected a str, found {}", kind(&obj))),
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for Units {
    type Error = PyErr;

    #[inline]
    fn extract(obj: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        obj.extract::<u64>().map(Units).map_err(|error| no_units(obj, &error))
    }
}

impl<'a, 'py, T: FromPyObjectOwned<'py> + Bounded> FromPyObject<'a, 'py> for Whole<T> {
    type Error = PyErr;

    #[inline]
    fn extract(obj: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        obj.extract::<T>().map(Whole).map_err(|error| {
            let shown = shown(&obj);
            if error.into().is_instance_of::<PyTypeError>(obj.py()) {
                return PyTypeError::new_err(format!("{shown} is not an int"));
            }
            let (least, most) = T::BOUNDS;
            PyOverflowError::new_err(format!(
                "{shown} is too large or too small (expected an int from {least} to {most})"
            ))
        })
    }
}

/// The smallest and the largest number of a type.
pub trait Bounded {
    const BOUNDS: (i128, i128);
}

impl Bounded for u64 {
    const BOUNDS: (i128, i128) = (0, u64::MAX as i128);
}

impl Bounded for i64 {
    const BOUNDS: (i128, i128) = (i64::MIN as i128, i64::MAX as i128);
}

impl Bounded for u32 {
    const BOUNDS: (i128, i128) = (0, u32::MAX as i128);
}

#[cold]
fn no_units(obj: Borrowed<'_, '_, PyAny>, error: &PyErr) -> PyErr {
    let shown = shown(&obj);
    if error.is_instance_of::<PyTypeError>(obj.py()) {
        PyTypeError::new_err(format!("units: {shown} is not an int"))
    } else {
        invalid(&format!("units: {shown} is not between 0 and {}", u64::MAX))
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for When {
    type Error = PyErr;

    fn extract(obj: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        static EPOCH: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let py = obj.py();
        if !obj.is_instance_of::<PyDateTime>() {
            return Err(PyTypeError::new_err(format!("{} is not a datetime", shown(&obj))));
        }
        if obj.call_method0("utcoffset")?.is_none() {
            let why = format!("time: {} does not say its zone; give it a tzinfo", shown(&obj));
            return Err(invalid(&why));
        }
        let epoch = EPOCH.get_or_try_init(py, || {
            Ok::<_, PyErr>(DateTime::<Utc>::UNIX_EPOCH.into_pyobject(py)?.into_any().unbind())
        })?;
        let since = obj.sub(epoch.bind(py))?;
        Ok(When(Timestamp::from_ms(milliseconds(since.cast::<PyDelta>()?))))
    }
}

impl<'py> IntoPyObject<'py> for When {
    type Target = PyDateTime;
    type Output = Bound<'py, PyDateTime>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        // Python's calendar begins with the year 1.
        let first = Timestamp::from_ms(-62_135_596_800_000);
        self.0.max(first).to_utc().into_pyobject(py)
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for Day {
    type Error = PyErr;

    fn extract(obj: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if !obj.is_instance_of::<PyDate>() || obj.is_instance_of::<PyDateTime>() {
            return Err(PyTypeError::new_err(format!("{} is not a date", shown(&obj))));
        }
        obj.extract::<NaiveDate>().map(Day)
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for Lapse {
    type Error = PyErr;

    fn extract(obj: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let Ok(delta) = obj.cast::<PyDelta>() else {
            return Err(PyTypeError::new_err(format!("{} is not a timedelta", shown(&obj))));
        };
        Ok(Lapse(milliseconds(&delta)))
    }
}

impl Lapse {
    /// As a length of time, which is not negative.
    pub fn duration(self) -> PyResult<Duration> {
        let negative =
            || invalid(&format!("timedelta: {} ms is negative; zero or more is allowed", self.0));
        u64::try_from(self.0).map(Duration::from_millis).map_err(|_| negative())
    }
}

/// Whole milliseconds, rounded down.
fn milliseconds(delta: &Bound<'_, PyDelta>) -> i64 {
    let seconds = i64::from(delta.get_days()) * 86_400 + i64::from(delta.get_seconds());
    seconds * 1_000 + i64::from(delta.get_microseconds()).div_euclid(1_000)
}

impl<'a, 'py> FromPyObject<'a, 'py> for FilePath {
    type Error = PyErr;

    fn extract(obj: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let no_path = |_| {
            PyTypeError::new_err(format!(
                "{} is not a path (expected a str or an os.PathLike)",
                shown(&obj)
            ))
        };
        obj.extract::<PathBuf>().map(FilePath).map_err(no_path)
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for Way {
    type Error = PyErr;

    fn extract(obj: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        choice(
            obj,
            "direction",
            &[("inbound", Direction::Inbound), ("outbound", Direction::Outbound)],
        )
        .map(Way)
    }
}

/// One of a few words.
pub fn choice<T: Copy>(
    obj: Borrowed<'_, '_, PyAny>,
    what: &str,
    choices: &[(&str, T)],
) -> PyResult<T> {
    let text = Name::extract(obj)?.0;
    let found = choices.iter().find(|(word, _)| *word == text);
    found.map(|&(_, value)| value).ok_or_else(|| {
        let unknown = UnknownName::among(text, choices.iter().map(|(word, _)| *word));
        invalid(&format!("unknown {what} {unknown}"))
    })
}

/// One of the values that the engine knows by their code.
pub fn known<T: Copy>(
    what: &str,
    text: &str,
    all: &[T],
    code: impl Fn(T) -> &'static str,
) -> PyResult<T> {
    all.iter().copied().find(|&value| code(value) == text).ok_or_else(|| {
        let unknown = UnknownName::among(text, all.iter().map(|&value| code(value)));
        invalid(&format!("unknown {what} {unknown}"))
    })
}

/// Units by the names of resources.
pub struct Amounts(Vec<(String, u64)>);

impl Amounts {
    pub fn pairs(&self) -> Vec<(&str, u64)> {
        self.0.iter().map(|(name, units)| (name.as_str(), *units)).collect()
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for Amounts {
    type Error = PyErr;

    fn extract(obj: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let Ok(amounts) = obj.cast::<PyMapping>() else {
            return Err(PyTypeError::new_err(format!(
                "{} is not a mapping of resources to units",
                shown(&obj)
            )));
        };
        let amount = |item: Bound<'_, PyAny>| {
            let (name, units) = item.extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>)>()?;
            Ok((name.extract::<Name<'_>>()?.0.to_owned(), units.extract::<Units>()?.0))
        };
        amounts.items()?.iter().map(amount).collect::<PyResult<_>>().map(Amounts)
    }
}

/// Contacts, which no message repeats.
pub struct Contacts(pub Vec<PyBackedStr>);

impl<'a, 'py> FromPyObject<'a, 'py> for Contacts {
    type Error = PyErr;

    fn extract(obj: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        obj.extract().map(Contacts).map_err(|_| {
            PyTypeError::new_err(format!("expected a list of str, found {}", kind(&obj)))
        })
    }
}

/// What an action is about, as keyword arguments say it.
#[derive(Clone, Copy, Default)]
pub struct About<'a> {
    pub channel: Private<'a>,
    pub contact: Private<'a>,
    pub also: Private<'a>,
    pub category: Private<'a>,
    pub holder: Private<'a>,
    pub at: Option<When>,
    pub quantity: Option<Units>,
    pub tariff: Option<Whole<u64>>,
    pub message: Private<'a>,
    pub campaign: Option<ReservationId>,
}

impl<'a> About<'a> {
    pub fn details(&self) -> Details<'a> {
        Details {
            channel: self.channel.0,
            contact: self.contact.0,
            also: self.also.0,
            category: self.category.0,
            holder: self.holder.0,
            at: self.at.map(|at| at.0),
            quantity: self.quantity.map(|units| units.0),
            tariff: self.tariff.map(|version| version.0),
            message: self.message.0,
            campaign: self.campaign,
        }
    }
}

/// A value as a message shows it, cut where it is long.
fn shown(obj: &Bound<'_, PyAny>) -> String {
    let Ok(text) = obj.repr() else { return kind(obj) };
    let text = text.to_string_lossy();
    let mut shown: String = text.chars().take(SHOWN_CHARS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

fn kind(obj: &Bound<'_, PyAny>) -> String {
    obj.get_type().name().map_or_else(|_| "that".to_owned(), |name| name.to_string())
}
