//! A decision as a Python object: the engine's own value; attributes are made when asked for.

use std::hash::{DefaultHasher, Hash, Hasher};

use chrono::TimeDelta;
use cotas::rules::Mode;
use cotas::{DEMO_NOTICE, Error, Reason, Source, SourceCharge, SourceCharges, Timestamp};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::arguments::When;
use crate::engine_state::{self, ClosableHandle, EngineState};
use crate::errors::{self, invalid};
use crate::outcome::{Charge, LeaseOutcome, SessionOutcome};
use crate::packed::Packed;
use crate::records;

/// All attributes that say something of a decision.
const ATTRIBUTES: [&str; 22] = [
    "allowed",
    "reason",
    "reasons",
    "shadowed",
    "resource",
    "units",
    "mode",
    "limit",
    "used",
    "available",
    "retry_at",
    "session",
    "lease",
    "charges",
    "more_charges",
    "reservation",
    "receipt",
    "overage",
    "notice",
    "past_due",
    "too_old",
    "replayed",
];

/// The answer to a request: allowed or denied, and every number that explains it. True where the
/// host may go ahead.
#[pyclass(frozen, module = "cotas")]
pub struct Decision {
    packed: Packed,
    /// Knows the names of resources.
    engine_state: Py<EngineState>,
}

impl Decision {
    pub fn of(
        decision: &cotas::Decision,
        engine_state: &Py<EngineState>,
        py: Python<'_>,
    ) -> Decision {
        Decision { packed: Packed::of(decision), engine_state: engine_state.clone_ref(py) }
    }

    /// Makes the object first; what is decided is then written where it lies.
    #[inline]
    pub fn reported<T: Send + Sync>(
        py: Python<'_>,
        engine_state: &Py<EngineState>,
        handle: &ClosableHandle<T>,
        ask: impl Fn(&T, &Packed) -> Result<(), Error> + Sync,
    ) -> PyResult<Py<Decision>> {
        let decision =
            Decision { packed: Packed::default(), engine_state: engine_state.clone_ref(py) };
        let decision = Py::new(py, decision)?;
        let packed = &decision.get().packed;
        engine_state::decide(py, handle, |it| ask(it, packed))?;
        Ok(decision)
    }

    /// As [`reported`](Self::reported), of a decision that is given back.
    #[inline]
    pub fn asked<T: Send + Sync>(
        py: Python<'_>,
        engine_state: &Py<EngineState>,
        handle: &ClosableHandle<T>,
        ask: impl Fn(&T) -> Result<cotas::Decision, Error> + Sync,
    ) -> PyResult<Py<Decision>> {
        Decision::reported(py, engine_state, handle, |it, to| match ask(it) {
            // Where it lies: moving it takes longer.
            Ok(ref decision) => {
                to.write(decision);
                Ok(())
            }
            Err(error) => Err(error),
        })
    }

    /// Whether it says that the plan does not have the resource.
    #[inline]
    pub fn is_not_in_plan(&self) -> bool {
        self.packed.is_not_in_plan()
    }

    pub fn get(&self) -> cotas::Decision {
        self.packed.unpacked()
    }

    pub fn name(&self, py: Python<'_>, resource: cotas::ResourceId) -> Option<Py<PyString>> {
        self.engine_state.get().name(py, resource)
    }

    /// Why it was denied, in words.
    pub fn denial(&self, py: Python<'_>) -> String {
        let decision = self.get();
        let reason = decision.reason().map_or("denied", Reason::code).replace('_', " ");
        let Some(resource) = self.resource(py) else { return reason };
        let of = decision.limit().map_or(String::new(), |limit| format!(" of {limit}"));
        let cotas::Decision { units, used, .. } = decision;
        format!("{reason}: {units} of {resource} asked, {used}{of} used")
    }
}

#[pymethods]
impl Decision {
    #[classattr]
    #[pyo3(name = "__match_args__")]
    const MATCH_ARGS: (&'static str, &'static str) = ("allowed", "reason");

    /// Whether the host may go ahead.
    #[getter]
    fn allowed(&self) -> bool {
        self.packed.allowed()
    }

    /// Why not: the first failing rule.
    #[getter]
    fn reason(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.get().reason().map(|reason| records::reason(py, reason)).transpose()
    }

    /// All failing rules, in the order of evaluation.
    #[getter]
    fn reasons<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        records::reasons(py, self.get().reasons)
    }

    /// Rules that would have denied it, had their limits not been set only to watch.
    #[getter]
    fn shadowed<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        records::reasons(py, self.get().shadowed)
    }

    /// What the numbers are about: the first that fell short, else the last charged.
    #[getter]
    fn resource(&self, py: Python<'_>) -> Option<Py<PyString>> {
        self.get().resource.and_then(|resource| self.name(py, resource))
    }

    /// Units asked of it.
    #[getter]
    fn units(&self) -> u64 {
        self.get().units
    }

    /// How it is limited.
    #[getter]
    fn mode(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        records::mode(py, self.get().mode)
    }

    /// What is contracted; `None`: there is no limit, or it is not in the plan.
    #[getter]
    fn limit(&self) -> Option<u64> {
        self.get().limit()
    }

    /// Units used since the period began, or held, this decision's included.
    #[getter]
    fn used(&self) -> u64 {
        self.get().used
    }

    /// Units left; `None`: there is no limit, or it is not in the plan.
    #[getter]
    fn available(&self) -> Option<u64> {
        (self.get().mode == Mode::Finite).then_some(self.get().available)
    }

    /// When a denied request may succeed, if that can be foreseen.
    #[getter]
    fn retry_at(&self) -> Option<When> {
        self.get().retry_at.map(When)
    }

    /// The same from now on, by the engine's clock.
    #[getter]
    fn retry_after(&self) -> Option<TimeDelta> {
        let at = self.get().retry_at?;
        Some(TimeDelta::milliseconds((at.ms() - self.engine_state.get().now().ms()).max(0)))
    }

    /// What became of the contact's session.
    #[getter]
    fn session(&self) -> Option<SessionOutcome> {
        self.get().session.map(Into::into)
    }

    /// What became of the lease.
    #[getter]
    fn lease(&self) -> Option<LeaseOutcome> {
        self.get().lease.map(Into::into)
    }

    /// What was charged, by resource and source.
    #[getter]
    fn charges<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let charge = |it: cotas::SourceCharge| {
            let resource = self.name(py, it.resource);
            Charge { resource, source: it.source, units: it.units }.into_pyobject(py)
        };
        let charges: Vec<_> = self.get().charges.iter().map(charge).collect::<PyResult<_>>()?;
        PyTuple::new(py, charges)
    }

    /// More was charged than `charges` lists: `Tenant.charges_of` its receipt has all of it.
    #[getter]
    fn more_charges(&self) -> bool {
        !self.get().charges.is_complete()
    }

    /// The reservation that holds what was charged.
    #[getter]
    fn reservation(&self) -> Option<String> {
        self.get().reservation.map(|id| id.to_string())
    }

    /// What a refund is asked with; given to decisions under an idempotency key.
    #[getter]
    fn receipt(&self) -> Option<String> {
        self.get().receipt.map(|receipt| receipt.to_string())
    }

    /// Some of it goes beyond a soft limit.
    #[getter]
    fn overage(&self) -> bool {
        self.get().overage
    }

    /// What the message must carry: it is a demonstration account's.
    #[getter]
    fn notice(&self) -> Option<&'static str> {
        self.get().demo_notice.then_some(DEMO_NOTICE)
    }

    /// The tenant is in arrears.
    #[getter]
    fn past_due(&self) -> bool {
        self.get().past_due
    }

    /// The message is too old for a session: it opened none, continued none and charged nothing
    /// for one.
    #[getter]
    fn too_old(&self) -> bool {
        self.get().too_old
    }

    /// This is the stored decision of an earlier call with the same key.
    #[getter]
    fn replayed(&self) -> bool {
        self.get().replayed
    }

    #[inline]
    fn __bool__(&self) -> bool {
        self.packed.allowed()
    }

    fn __eq__(slf: &Bound<'_, Self>, other: &Bound<'_, Self>) -> PyResult<bool> {
        // Numbers of resources mean the same under one hub; names mean the same everywhere.
        if slf.get().engine_state.is(&other.get().engine_state) {
            return Ok(slf.get().get() == other.get().get());
        }
        Self::attributes(slf)?.eq(Self::attributes(other)?)
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let cotas::Decision { reasons, units, used, contracted, .. } = self.get();
        (reasons, units, used, contracted).hash(&mut hasher);
        hasher.finish()
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let cotas::Decision { units, used, .. } = self.get();
        let what = match self.get().reason() {
            None => "allowed".to_owned(),
            Some(reason) => format!("denied: {}", reason.code()),
        };
        let of = self.resource(py).map_or(String::new(), |name| format!(", {units} of {name}"));
        let limit = self.get().limit().map_or(String::new(), |limit| format!(" of {limit}"));
        let retry = self.get().retry_at.map_or(String::new(), |at| format!(", again at {at}"));
        format!("<Decision {what}{of}, {used}{limit} used{retry}>")
    }

    /// Raises `QuotaExceeded` unless it was allowed; gives itself.
    fn raise_if_denied(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        if slf.get().allowed() { Ok(slf) } else { Err(errors::denied(&slf)) }
    }

    /// What `QuotaExceeded` says.
    fn _denial(&self, py: Python<'_>) -> String {
        self.denial(py)
    }

    /// Pickles as the numbers it is made of, with the names that they mean.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, State)> {
        let py = slf.py();
        let decision = slf.get().get();
        let codes = |reasons: cotas::Reasons| reasons.iter().map(|it| it as u8).collect();
        let charge = |it: cotas::SourceCharge| {
            (it.resource.number(), it.source.map(|source| source.code().to_owned()), it.units)
        };
        let state = State(
            slf.get().engine_state.get().learn_names(py).iter().map(ToString::to_string).collect(),
            (codes(decision.reasons), codes(decision.shadowed)),
            (
                decision.resource.map(cotas::ResourceId::number),
                decision.units,
                decision.mode as u8,
                decision.used,
                decision.available,
                decision.contracted,
            ),
            (
                decision.retry_at.map(Timestamp::ms),
                decision.session.map(|it| (it.opened, it.expires_at.ms())),
                decision.lease.map(|it| (it.acquired, it.fencing, it.expires_at.ms())),
            ),
            (decision.charges.iter().map(charge).collect(), decision.charges.is_complete()),
            (
                decision.reservation.map(|id| id.to_string()),
                decision.receipt.map(|receipt| receipt.to_string()),
            ),
            (
                (decision.overage, decision.demo_notice),
                (decision.past_due, decision.too_old, decision.replayed),
            ),
        );
        Ok((slf.get_type().getattr("_restore")?, state))
    }

    #[staticmethod]
    #[pyo3(signature = (*state))]
    fn _restore(py: Python<'_>, state: State) -> PyResult<Decision> {
        let State(names, (reasons, shadowed), numbers, times, charges, handles, flags) = state;
        let wrong = || invalid("pickle: it holds no decision of this version");
        let reason = |number: &u8| Reason::from_number(*number);
        let names = names.iter().map(|name| Some(PyString::new(py, name).unbind())).collect();
        let decision = cotas::Decision {
            reasons: reasons.iter().filter_map(reason).collect(),
            shadowed: shadowed.iter().filter_map(reason).collect(),
            resource: numbers.0.map(cotas::ResourceId::from_number),
            units: numbers.1,
            mode: mode_of(numbers.2).ok_or_else(wrong)?,
            used: numbers.3,
            available: numbers.4,
            contracted: numbers.5,
            retry_at: times.0.map(Timestamp::from_ms),
            session: times.1.map(|(opened, ms)| cotas::SessionOutcome {
                opened,
                expires_at: Timestamp::from_ms(ms),
            }),
            lease: times.2.map(|(acquired, fencing, ms)| cotas::LeaseOutcome {
                acquired,
                fencing,
                expires_at: Timestamp::from_ms(ms),
            }),
            charges: charges_of(&charges.0, charges.1),
            reservation: handles.0.map(|id| id.parse()).transpose().map_err(|_| wrong())?,
            receipt: handles.1.map(|id| id.parse()).transpose().map_err(|_| wrong())?,
            overage: flags.0.0,
            demo_notice: flags.0.1,
            past_due: flags.1.0,
            too_old: flags.1.1,
            replayed: flags.1.2,
        };
        let engine_state = Py::new(py, EngineState::of_names(names))?;
        Ok(Decision { packed: Packed::of(&decision), engine_state })
    }
}

/// A charge in a pickle: number of the resource, code of the source, units.
type ChargeState = (u16, Option<String>, u64);

/// A session in a pickle: opened, end.
type SessionState = (bool, i64);
/// A lease in a pickle: acquired, fencing number, end.
type LeaseState = (bool, u64, i64);

/// A decision in a pickle, in parts that a tuple may have.
#[derive(FromPyObject, IntoPyObject)]
struct State(
    Vec<String>,
    (Vec<u8>, Vec<u8>),
    (Option<u16>, u64, u8, u64, u64, u64),
    (Option<i64>, Option<SessionState>, Option<LeaseState>),
    (Vec<ChargeState>, bool),
    (Option<String>, Option<String>),
    ((bool, bool), (bool, bool, bool)),
);

fn mode_of(number: u8) -> Option<Mode> {
    Mode::ALL.into_iter().find(|&it| it as u8 == number)
}

/// The charges of a pickle. A list that was not complete is one entry too long to be.
fn charges_of(listed: &[ChargeState], complete: bool) -> SourceCharges {
    let entry = |(resource, source, units): &ChargeState| SourceCharge {
        resource: cotas::ResourceId::from_number(*resource),
        source: source.as_deref().and_then(Source::from_code),
        units: *units,
    };
    let nothing =
        SourceCharge { resource: cotas::ResourceId::from_number(u16::MAX), source: None, units: 0 };
    listed.iter().map(entry).chain((!complete).then_some(nothing)).collect()
}

impl Decision {
    fn attributes<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        let all = PyDict::new(slf.py());
        for name in ATTRIBUTES {
            all.set_item(name, slf.getattr(name)?)?;
        }
        Ok(all)
    }
}
