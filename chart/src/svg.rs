//! The chart as a drawing: a panel for each resource, then one for each kind of decision counted.
//!
//! Resources differ by orders of magnitude, so each has a scale of its own. Bars are a whole number
//! of pixels wide: anything else would make equal intervals look different.

use std::collections::BTreeMap;

use chrono::{Datelike, Timelike};
use cotas::rules::calendar;
use cotas::{Interval, Language, Metric, Reason, Timestamp, UsageReport, words};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::axis::{Scale, label_step};
use crate::{ChartError, Style, grouped, metrics, nothing, resources, total};

/// A year of hours, and more years of days than the program is old.
const BARS_MAX: usize = 10_000;
/// Pixels of all bars together, where they are few enough.
const PLOT_WIDTH: usize = 880;
const BAR_WIDTH_MAX: usize = 56;
/// Capacity for the longest name a tenant can have.
const WIDTH_MIN: usize = 760;
const LEFT: usize = 70;
const RIGHT: usize = 44;
const HEADER: usize = 66;
const LEGEND_LINE: usize = 20;
const PLOT_HEIGHT: usize = 136;
const FOOT: usize = 30;
const GAP: usize = 16;

/// Pixels of a letter of ordinary text, generously.
const LETTER: usize = 7;
const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
const GRID: RGBColor = RGBColor(0xdd, 0xdd, 0xdd);

/// Resources, in the order of their names: hues that differ for the colour-blind too.
const RESOURCE_COLOURS: [RGBColor; 7] = [
    RGBColor(0x33, 0x22, 0x88),
    RGBColor(0x44, 0xaa, 0x99),
    RGBColor(0x99, 0x99, 0x33),
    RGBColor(0x88, 0xcc, 0xee),
    RGBColor(0x11, 0x77, 0x33),
    RGBColor(0xaa, 0x44, 0x99),
    RGBColor(0x88, 0x22, 0x55),
];
/// Reasons, the last one first, each with the same colour in every chart. They lie on one another:
/// those that come together most often differ in brightness as well.
const REASON_COLOURS: [RGBColor; 8] = [
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xf0, 0xe4, 0x42),
    RGBColor(0x4d, 0x4d, 0x4d),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// What one colour shows: a count for each bar.
struct Series {
    name: String,
    colour: RGBColor,
    counts: Vec<u64>,
}

/// Series that lie on one another.
struct Panel {
    title: &'static str,
    series: Vec<Series>,
    language: Language,
}

/// What all panels have in common.
struct Foot {
    /// Pixels of one interval, the space between bars included.
    step: usize,
    /// What is written under each interval; most are too close to be written.
    labels: Vec<String>,
    /// The intervals that are written.
    written: Vec<usize>,
    width: usize,
}

/// The chart as SVG.
pub fn chart(report: &UsageReport, style: &Style<'_>) -> Result<String, ChartError> {
    let asked = report.spans().count();
    if asked > BARS_MAX {
        let interval = report.interval.code();
        return Err(ChartError::TooLong { interval, asked, most: BARS_MAX });
    }
    let foot = Foot::new(report, style.language);
    let panels = panels(report, style);
    let header = if style.heading.is_some() { HEADER } else { 0 };
    let height = panels.iter().map(|panel| panel.height(&foot)).sum::<usize>().max(PLOT_HEIGHT);
    let mut svg = String::new();
    let size = (foot.width as u32, (header + height) as u32);
    let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
    draw(&root, report, style, &foot, &panels)
        .map_err(|error| ChartError::Drawing(error.to_string()))?;
    drop(root);
    Ok(svg)
}

fn draw(
    root: &Area,
    report: &UsageReport,
    style: &Style<'_>,
    foot: &Foot,
    panels: &[Panel],
) -> Drawn {
    root.fill(&WHITE)?;
    let mut top = 0;
    if let Some(heading) = style.heading {
        header(root, heading, report, foot)?;
        top = HEADER;
    }
    if panels.is_empty() {
        let middle = ((foot.width / 2) as i32, (top + PLOT_HEIGHT / 2) as i32);
        let centre = text(16).pos(Pos::new(HPos::Center, VPos::Center));
        root.draw_text(nothing(style.language), &centre, middle)?;
    }
    for panel in panels {
        let height = panel.height(foot);
        panel.draw(
            &root.clone().shrink((0, top as u32), (foot.width as u32, height as u32)),
            foot,
        )?;
        top += height;
    }
    root.present()
}

/// The text without what moves a cursor, or may not stand in XML however it is escaped.
fn printable(text: &str) -> String {
    let text = text.trim_end().replace(char::is_control, " ");
    text.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

fn header(root: &Area, heading: &str, report: &UsageReport, foot: &Foot) -> Drawn {
    let name = printable(heading);
    // A letter takes seven tenths of its height.
    let letters = (foot.width - 2 * GAP) * 10 / 7;
    let size = (letters / name.len().max(1)).clamp(8, 18) as u32;
    let bold = text(size).font.style(FontStyle::Bold);
    let style = TextStyle::from(bold).color(&INK).pos(Pos::new(HPos::Left, VPos::Center));
    root.draw_text(&name, &style, (GAP as i32, 24))?;
    let labels: Vec<_> = report.spans().map(|span| report.label(span.start)).collect();
    let span = match (labels.first(), labels.last()) {
        (Some(first), Some(last)) if first == last => format!(", {first}"),
        (Some(first), Some(last)) => format!(", {first} to {last}"),
        _ => String::new(),
    };
    let (interval, zone) = (report.interval.code(), report.time_zone.name());
    let line = format!("usage by {interval}{span} ({zone})");
    root.draw_text(&line, &text(13), (GAP as i32, 48))
}

/// Ordinary text, `size` pixels high, around a point on its left.
fn text(size: u32) -> TextStyle<'static> {
    // What plotters takes for a size is divided by this before it is written.
    let font = ("sans-serif", f64::from(size) * 1.24).into_font();
    TextStyle::from(font).color(&INK).pos(Pos::new(HPos::Left, VPos::Center))
}

/// Panels with everything in the report.
fn panels(report: &UsageReport, style: &Style<'_>) -> Vec<Panel> {
    let Style { language, title: name_of, .. } = *style;
    let mut used = Vec::new();
    let mut others: BTreeMap<&'static str, BTreeMap<(Option<Reason>, &str), Series>> =
        BTreeMap::new();
    let resources = resources(report);
    // The tenant as a whole has no colour: it has only reasons.
    let colours = RESOURCE_COLOURS.iter().cycle();
    let named = resources.iter().filter(|name| !name.is_empty()).zip(colours);
    let whole = resources.iter().filter(|name| name.is_empty()).zip([&INK]);
    for (&resource, &colour) in named.chain(whole) {
        for metric in metrics(report, resource) {
            let counts = report.series(resource, metric);
            if metric == Metric::Used {
                let name = printable(&name_of(resource));
                let title = counted(metric.parts().0, language);
                used.push(Panel { title, series: vec![Series { name, colour, counts }], language });
                continue;
            }
            let (title, reason) = metric.parts();
            let key = (reason, if reason.is_none() { resource } else { "" });
            let series = others.entry(title).or_default().entry(key).or_insert_with(|| {
                let name = match (reason, language) {
                    (None, _) => printable(&name_of(resource)),
                    (Some(reason), Language::English) => reason.code().to_owned(),
                    (Some(reason), _) => words::reason(reason, language).to_owned(),
                };
                Series { name, colour: reason.map_or(colour, colour_of), counts: Vec::new() }
            });
            series.add(&counts);
        }
    }
    let others = others.into_iter().map(|(title, series)| {
        let series = series.into_values().collect();
        Panel { title: counted(title, language), series, language }
    });
    used.into_iter().chain(others).collect()
}

/// What is counted, as [`Metric::parts`] names it.
fn counted(what: &'static str, language: Language) -> &'static str {
    match (language, what) {
        (Language::Portuguese, "used") => "usado",
        (Language::Portuguese, "returned") => "devolvido",
        (Language::Portuguese, "denied") => "recusado",
        (Language::Portuguese, "shadowed") => "seria recusado",
        _ => what,
    }
}

fn colour_of(reason: Reason) -> RGBColor {
    // The last one, an exhausted quota, is the commonest and has the colour of warnings.
    let index = Reason::ALL.iter().rev().position(|&it| it == reason).unwrap_or_default();
    REASON_COLOURS.iter().cycle().nth(index).copied().unwrap_or(INK)
}

impl Series {
    fn add(&mut self, counts: &[u64]) {
        self.counts.resize(counts.len().max(self.counts.len()), 0);
        for (sum, &count) in self.counts.iter_mut().zip(counts) {
            *sum = sum.saturating_add(count);
        }
    }

    fn legend(&self, language: Language) -> String {
        format!("{} {}", self.name, grouped(total(&self.counts), language))
    }
}

impl Foot {
    fn new(report: &UsageReport, language: Language) -> Foot {
        let starts: Vec<_> = report.spans().map(|span| span.start).collect();
        let step = (PLOT_WIDTH / starts.len().max(1)).max(1);
        let local = |at| calendar::local(at, report.time_zone);
        let label = |&at: &Timestamp| match (report.interval, language) {
            (Interval::Hour, Language::English) => local(at).format("%m-%d %H:%M").to_string(),
            (Interval::Hour, _) => local(at).format("%d/%m %H:%M").to_string(),
            (Interval::Day, Language::Portuguese) => local(at).format("%d/%m/%Y").to_string(),
            (Interval::Month, Language::Portuguese) => local(at).format("%m/%Y").to_string(),
            (Interval::Day | Interval::Month, _) => report.label(at),
        };
        let labels: Vec<_> = starts.iter().map(label).collect();
        let letters = labels.first().map_or(0, String::len);
        let every = label_step(report.interval, (letters + 3) * LETTER, step);
        // Midnight and January are written wherever there is one.
        let is_round = |&at: &Timestamp| match report.interval {
            Interval::Hour => local(at).hour() == 0,
            Interval::Day => true,
            Interval::Month => local(at).month() == 1,
        };
        let round = starts.iter().position(is_round).unwrap_or_default();
        let written = (0..starts.len()).filter(|index| index % every == round % every).collect();
        let width = (LEFT + starts.len() * step + RIGHT).max(WIDTH_MIN);
        Foot { step, labels, written, width }
    }

    fn plot_width(&self) -> usize {
        self.labels.len() * self.step
    }

    /// Where the bar of an interval begins and ends.
    fn bar(&self, index: usize) -> (i32, i32) {
        let gap = if self.step > 3 { (self.step / 6).max(1) } else { 0 };
        let width = (self.step - gap).min(BAR_WIDTH_MAX);
        let left = index * self.step + (self.step - width) / 2;
        (left as i32, (left + width) as i32)
    }
}

impl Panel {
    fn height(&self, foot: &Foot) -> usize {
        let lines = self.legend(foot).last().map_or(0, |(_, line, _)| line + 1);
        lines * LEGEND_LINE + PLOT_HEIGHT + FOOT + GAP
    }

    /// Where each series stands in the legend: pixels from the left, line.
    fn legend(&self, foot: &Foot) -> Vec<(usize, usize, &Series)> {
        let first = LEFT + (self.title.len() + 2) * LETTER;
        let (mut left, mut line) = (first, 0);
        let mut places = Vec::new();
        for series in &self.series {
            let width = (series.legend(self.language).chars().count() + 5) * LETTER;
            if left > first && left + width > foot.width {
                (left, line) = (first, line + 1);
            }
            places.push((left, line, series));
            left += width;
        }
        places
    }

    fn draw(&self, area: &Area, foot: &Foot) -> Drawn {
        let legend = self.legend(foot);
        let lines = legend.last().map_or(0, |(_, line, _)| line + 1);
        let bold = TextStyle::from(text(13).font.style(FontStyle::Bold)).color(&INK);
        let centre = (LEGEND_LINE / 2) as i32;
        let left = Pos::new(HPos::Left, VPos::Center);
        area.draw_text(self.title, &bold.pos(left), (LEFT as i32, centre))?;
        for (left, line, series) in legend {
            let (x, y) = (left as i32, (line * LEGEND_LINE) as i32 + centre);
            area.draw(&Rectangle::new([(x, y - 5), (x + 10, y + 5)], series.colour.filled()))?;
            area.draw_text(&series.legend(self.language), &text(13), (x + 16, y))?;
        }
        let top = (lines * LEGEND_LINE) as u32;
        let size = (foot.width as u32, (PLOT_HEIGHT + FOOT) as u32);
        self.plot(&area.clone().shrink((0, top), size), foot)
    }

    fn plot(&self, area: &Area, foot: &Foot) -> Drawn {
        let mut sums = Series { name: String::new(), colour: INK, counts: Vec::new() };
        self.series.iter().for_each(|series| sums.add(&series.counts));
        let scale = Scale::up_to(sums.counts.iter().copied().max().unwrap_or_default());
        let middle = |&index: &usize| {
            let (left, right) = foot.bar(index);
            left.midpoint(right)
        };
        let written = foot.written.iter().map(middle).collect();
        let right = foot.width - LEFT - foot.plot_width();
        let mut chart = ChartBuilder::on(area)
            .margin_top(8)
            .margin_right(right as u32)
            .set_label_area_size(LabelAreaPosition::Left, LEFT as u32)
            .set_label_area_size(LabelAreaPosition::Bottom, FOOT as u32)
            .build_cartesian_2d(
                (0..foot.plot_width() as i32).with_key_points(written),
                (0..scale.top()).with_key_points(scale.ticks()),
            )?;
        let label = |x: &i32| {
            let index = usize::try_from(*x).unwrap_or_default() / foot.step;
            foot.labels.get(index).cloned().unwrap_or_default()
        };
        chart
            .configure_mesh()
            .disable_x_mesh()
            .bold_line_style(GRID)
            .axis_style(INK)
            .label_style(text(12))
            .x_label_formatter(&label)
            .y_label_formatter(&|&count| scale.write(count, self.language))
            .draw()?;
        let mut floors = vec![0_u64; foot.labels.len()];
        for series in &self.series {
            let bars = series.counts.iter().zip(&mut floors).enumerate();
            chart.draw_series(bars.filter(|(_, (count, _))| **count > 0).map(
                |(index, (&count, floor))| {
                    let (left, right) = foot.bar(index);
                    let bottom = *floor;
                    *floor = bottom.saturating_add(count);
                    Rectangle::new([(left, bottom), (right, *floor)], series.colour.filled())
                },
            ))?;
        }
        Ok(())
    }
}
