//! The rules of time zones: those of this machine's database where it has the zone, so that a
//! country that changes its clocks needs no new build; else those that are built in.
//!
//! A process reads a zone once, when it first needs it.

use std::env;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use chrono::{
    DateTime, Datelike, FixedOffset, NaiveDateTime, Offset as _, TimeZone as _, Timelike, Utc,
};
use chrono_tz::{GapInfo, Tz};
use jiff::civil;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

use crate::clock::Timestamp;

/// Where systems keep the database, in the order of looking; `TZDIR` comes before them.
const DIRECTORIES: [&str; 4] =
    ["/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/usr/share/lib/zoneinfo", "/etc/zoneinfo"];
/// The largest file of a zone that is read; real ones have a few kilobytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Zones that this process has looked for, and what the machine says of them. A zone may stand
/// here twice where two threads looked for it at once. Read without a lock, which a fork could
/// leave taken.
static LOOKED_FOR: boxcar::Vec<(Tz, Option<TimeZone>)> = boxcar::Vec::new();

/// What clocks in `zone` show at `at`.
pub(crate) fn local(at: Timestamp, zone: Tz) -> DateTime<FixedOffset> {
    let utc = at.to_utc();
    let offset = match of_system(zone) {
        Some(rules) => FixedOffset::east_opt(rules.to_offset(instant_of(at)).seconds()),
        None => Some(zone.offset_from_utc_datetime(&utc.naive_utc()).fix()),
    };
    utc.with_timezone(&offset.unwrap_or(Utc.fix()))
}

/// The first instant at which clocks in `zone` show `local`, or a later time if they never do.
pub(crate) fn first_instant(local: NaiveDateTime, zone: Tz) -> Timestamp {
    match of_system(zone).and_then(|rules| first_instant_by(local, rules)) {
        Some(at) => at,
        None => zone
            .from_local_datetime(&local)
            .earliest()
            .or_else(|| GapInfo::new(&local, &zone).and_then(|gap| gap.end))
            .map_or_else(|| local.and_utc().into(), |at| at.to_utc().into()),
    }
}

fn first_instant_by(local: NaiveDateTime, rules: &TimeZone) -> Option<Timestamp> {
    let utc = Timestamp::from(local.and_utc());
    let at = |offset: Offset| utc.plus_ms(-1_000 * seconds(offset));
    let civil = civil::DateTime::new(
        i16::try_from(local.year()).ok()?,
        i8::try_from(local.month()).ok()?,
        i8::try_from(local.day()).ok()?,
        i8::try_from(local.hour()).ok()?,
        i8::try_from(local.minute()).ok()?,
        i8::try_from(local.second()).ok()?,
        0,
    );
    match rules.to_ambiguous_timestamp(civil.ok()?).offset() {
        AmbiguousOffset::Unambiguous { offset } => Some(at(offset)),
        AmbiguousOffset::Fold { before, .. } => Some(at(before)),
        AmbiguousOffset::Gap { after, .. } => {
            // That instant lies before the gap, which begins and ends with the next change.
            let change = rules.following(instant_of(at(after))).next()?;
            Some(Timestamp::from_ms(change.timestamp().as_millisecond()))
        }
    }
}

fn seconds(offset: Offset) -> i64 {
    i64::from(offset.seconds())
}

/// The instant, or the nearest that jiff can name: the rules at both are the same.
fn instant_of(at: Timestamp) -> jiff::Timestamp {
    let whole = at.ms().clamp(
        jiff::Timestamp::MIN.as_millisecond().saturating_add(1),
        jiff::Timestamp::MAX.as_millisecond(),
    );
    jiff::Timestamp::from_millisecond(whole).unwrap_or_default()
}

/// The machine's rules of a zone, if it has any that can be read.
fn of_system(zone: Tz) -> Option<&'static TimeZone> {
    if let Some((_, (_, rules))) = LOOKED_FOR.iter().find(|(_, (known, _))| *known == zone) {
        return rules.as_ref();
    }
    let index = LOOKED_FOR.push((zone, read_zone(zone.name())));
    LOOKED_FOR.get(index).and_then(|(_, rules)| rules.as_ref())
}

fn read_zone(name: &str) -> Option<TimeZone> {
    directories().find_map(|directory| {
        let mut bytes = Vec::new();
        let file = File::open(directory.join(name)).ok()?;
        file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
        TimeZone::tzif(name, &bytes).ok()
    })
}

fn directories() -> impl Iterator<Item = PathBuf> {
    let named = env::var_os("TZDIR").map(PathBuf::from).filter(|path| path.is_absolute());
    named.into_iter().chain(DIRECTORIES.into_iter().map(PathBuf::from))
}

/// The version of the rules that are built in.
pub(crate) const BUILT_IN: &str = chrono_tz::IANA_TZDB_VERSION;

/// The version of this machine's rules, and where they lie; `None`: it has none.
pub(crate) fn version_of_system() -> Option<(String, PathBuf)> {
    let directory = directories().find(|directory| directory.is_dir())?;
    let version = version_in(&directory).unwrap_or_else(|| "unknown version".to_owned());
    Some((version, directory))
}

fn version_in(directory: &Path) -> Option<String> {
    let head = |name| {
        let mut head = String::new();
        File::open(directory.join(name)).ok()?.take(64).read_to_string(&mut head).ok()?;
        head.lines().next().map(|line| line.trim().to_owned())
    };
    let of_source = || head("tzdata.zi")?.strip_prefix("# version ").map(str::to_owned);
    head("+VERSION").or_else(of_source).filter(|version| !version.is_empty())
}

/// Which rules are in force, in words.
pub(crate) fn in_force() -> String {
    match version_of_system() {
        Some((version, directory)) => format!("{version}, of {}", directory.display()),
        None => format!("{BUILT_IN}, built in"),
    }
}

#[cfg(test)]
mod tests {
    use chrono_tz::TZ_VARIANTS;

    use super::*;

    /// Both readers of the same rules agree, wherever the machine's and the built-in ones say the
    /// same; where they do not, the machine's are newer, or older, in that zone.
    #[test]
    fn the_machine_s_rules_are_read_as_the_built_in_ones_are() {
        let mut agreeing = 0;
        for zone in TZ_VARIANTS {
            let Some(rules) = read_zone(zone.name()) else { continue };
            // From 1970 to 2037, every 5 days and some hours, and through every gap and fold.
            let all = (0..5_000_i64).map(|step| step * (5 * 86_400 + 12_347) % 2_145_916_800);
            let agrees = all.into_iter().all(|second| {
                let at = Timestamp::from_seconds(second);
                let built_in = at.to_utc().with_timezone(&zone).naive_local();
                let offset = rules.to_offset(instant_of(at));
                seconds(offset) == (built_in - at.to_utc().naive_utc()).num_seconds()
            });
            agreeing += u32::from(agrees);
        }
        let has_zones = read_zone("America/Sao_Paulo").is_some();
        assert!(!has_zones || agreeing > 500, "only {agreeing} zones agree");
    }

    #[test]
    fn gaps_and_folds_are_those_of_the_built_in_reader() {
        for (zone, local) in [
            (chrono_tz::America::Sao_Paulo, "2018-11-04T00:00:00"),
            (chrono_tz::America::Sao_Paulo, "2018-11-04T00:59:59"),
            (chrono_tz::America::Sao_Paulo, "2018-11-04T01:00:00"),
            (chrono_tz::America::Sao_Paulo, "2019-02-16T23:30:00"),
            (chrono_tz::America::Havana, "2025-11-02T00:00:00"),
            (chrono_tz::Pacific::Apia, "2011-12-30T12:00:00"),
            (chrono_tz::Australia::Lord_Howe, "2025-10-05T02:15:00"),
        ] {
            let Some(rules) = read_zone(zone.name()) else { continue };
            let local: NaiveDateTime = local.parse().unwrap();
            let built_in = zone
                .from_local_datetime(&local)
                .earliest()
                .or_else(|| GapInfo::new(&local, &zone).and_then(|gap| gap.end))
                .map(|at| Timestamp::from(at.to_utc()));
            assert_eq!(first_instant_by(local, &rules), built_in, "{zone} {local}");
        }
    }

    #[test]
    fn what_is_no_zone_file_leaves_the_built_in_rules() {
        let read = |bytes: &[u8]| TimeZone::tzif("Nowhere", bytes).is_ok();
        assert!(!read(b"") && !read(b"TZif") && !read(&[0xff; 4_096]));
        assert_eq!(read_zone("America/Nowhere"), None);
        assert!(read_zone("../../../etc/passwd").is_none());
    }
}
