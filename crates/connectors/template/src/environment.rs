//! The language of templates: Jinja with every name strict, every value quoted,
//! and nothing that goes on for ever.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Value, ValueKind};
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, filters,
    functions, tests as kinds,
};
use syncline_contract::Snapshot;
use thiserror::Error as ThisError;

use crate::config::Context;
use crate::data::{self, List, failure};
use crate::name;
use crate::quote::{self, Kind, Refusal};

/// What a template may do before it counts as endless: some instructions of its
/// own, and so many for each service and instance.
const FUEL: u64 = 1_000_000;
const FUEL_EACH: u64 = 2_000;

/// The largest file, and the largest single value.
const LARGEST: usize = 64 * 1024 * 1024;

/// A template that could not be rendered.
#[derive(Debug, ThisError)]
pub(crate) enum RenderError {
    /// It is no template, asks for what is not there, or is without end.
    #[error("{place}: {what}")]
    Template {
        /// The template, with the line where one can be told.
        place: String,
        /// What is wrong there.
        what: String,
    },
    /// What data says cannot be written where the template puts it.
    #[error("{place}: {text} {reason}{author}")]
    Value {
        /// As above.
        place: String,
        /// What it says, shortened and made harmless.
        text: String,
        /// Why it cannot be written.
        reason: String,
        /// Whose words it is, in brackets, where that is known.
        author: String,
    },
    /// The template's own text cannot be followed.
    #[error("{place}: {reason}, in line {line} of what it renders")]
    Literal {
        /// The template.
        place: String,
        /// Why not.
        reason: String,
        /// Where in the rendered text.
        line: usize,
    },
    /// It renders too much.
    #[error("{place}: it renders more than {} MiB", LARGEST / 1024 / 1024)]
    TooLarge {
        /// The template.
        place: String,
    },
}

/// Renders a template with what a link accepted.
///
/// # Errors
/// With the template, the line, and whose words are in the way.
pub(crate) fn render(
    path: &Path,
    source: &str,
    context: Context,
    snapshot: &Snapshot,
) -> Result<String, RenderError> {
    let rendering = Rendering {
        name: path.display().to_string(),
        source,
        context,
        snapshot,
    };
    let marked = rendering.marked(None)?;
    let quoted = quote::quoted(&marked, context).map_err(|refusal| rendering.refused(refusal))?;
    match quoted.len() > LARGEST {
        true => Err(RenderError::TooLarge {
            place: rendering.name,
        }),
        false => Ok(quoted),
    }
}

/// Whether a text is a template, as far as that can be told without a list.
///
/// # Errors
/// With the line that is none.
pub(crate) fn compile(path: &Path, source: &str, context: Context) -> Result<(), RenderError> {
    let rendering = Rendering {
        name: path.display().to_string(),
        source,
        context,
        snapshot: &Snapshot::new(),
    };
    let language = language(context);
    let compiled = language.template_from_named_str(&rendering.name, source);
    compiled.map(drop).map_err(|error| rendering.error(&error))
}

struct Rendering<'a> {
    name: String,
    source: &'a str,
    context: Context,
    snapshot: &'a Snapshot,
}

impl Rendering<'_> {
    /// The text with a mark around each value. It fails at the value of that
    /// number, so that the place of a refused value is told by the language.
    fn marked(&self, fails_at: Option<usize>) -> Result<String, RenderError> {
        let mut language = language(self.context);
        let instances: usize = self.snapshot.values().map(|set| set.len()).sum();
        let each = (instances + self.snapshot.len()) as u64;
        language.set_fuel(Some(FUEL + FUEL_EACH * each));
        let count = AtomicUsize::new(0);
        language.set_formatter(move |out, state, value| {
            let number = count.fetch_add(1, Ordering::Relaxed);
            match fails_at == Some(number) {
                true => Err(failure("refused")),
                false => write_marked(out, state, number, value),
            }
        });
        let list = List::new(self.snapshot.clone());
        language.add_function("services", list.services());
        language.add_function("service", list.service());
        let template = language
            .template_from_named_str(&self.name, self.source)
            .map_err(|error| self.error(&error))?;
        template.render(()).map_err(|error| self.error(&error))
    }

    fn error(&self, error: &Error) -> RenderError {
        let what = match (error.kind(), error.detail()) {
            (ErrorKind::OutOfFuel, _) => "it goes on for too long".to_owned(),
            (ErrorKind::UndefinedError, None) => {
                "it asks for something that is not there; use `default` where that may be"
                    .to_owned()
            }
            (kind, Some(detail)) => format!("{kind}: {detail}"),
            (kind, None) => kind.to_string(),
        };
        RenderError::Template {
            place: self.place(error.line()),
            what,
        }
    }

    fn refused(&self, refusal: Refusal) -> RenderError {
        let Refusal {
            reason,
            value,
            line,
        } = refusal;
        let Some((number, text)) = value else {
            return RenderError::Literal {
                place: self.name.clone(),
                reason,
                line,
            };
        };
        // The same again up to that value: the language tells the line.
        let place = match self.marked(Some(number)) {
            Err(RenderError::Template { place, .. }) => place,
            Ok(_) | Err(_) => self.name.clone(),
        };
        let author = data::author(self.snapshot, &text);
        RenderError::Value {
            place,
            text: shortened(&text),
            reason,
            author: author.map(|who| format!(" ({who})")).unwrap_or_default(),
        }
    }

    fn place(&self, line: Option<usize>) -> String {
        match line {
            Some(line) => format!("{}:{line}", self.name),
            None => self.name.clone(),
        }
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{:?}…", &text[..at]),
        None => format!("{text:?}"),
    }
}

fn write_marked(
    out: &mut Output<'_>,
    state: &mut State<'_, '_>,
    number: usize,
    value: &Value,
) -> Result<(), Error> {
    if !matches!(state.auto_escape(), AutoEscape::Custom(_)) {
        return Err(failure(
            "`autoescape` cannot be changed: values are always quoted",
        ));
    }
    if value.is_undefined() {
        return Ok(());
    }
    // Put together by this template before, with its marks inside; or raw.
    if let (true, Some(text)) = (value.is_safe(), value.as_str()) {
        return limited(text).and_then(|text| Ok(out.write_str(text)?));
    }
    let (kind, text) = match value.kind() {
        ValueKind::String => (Kind::Text, value.to_string()),
        ValueKind::Number => (Kind::Number, value.to_string()),
        ValueKind::Bool => (Kind::Bool, value.is_true().to_string()),
        ValueKind::None => (Kind::Nothing, String::new()),
        _ => (Kind::Structure, to_json(value)?),
    };
    Ok(out.write_str(&quote::marked(number, kind, limited(&text)?))?)
}

fn limited(text: &str) -> Result<&str, Error> {
    match text.len() > LARGEST {
        true => Err(failure("a value is larger than any file may be")),
        false => Ok(text),
    }
}

/// What a template can use. It is a list of what is allowed: a filter that takes
/// text apart and still calls its pieces safe would let data out of its quotes,
/// and `safe` is that by intention.
fn language(context: Context) -> Environment<'static> {
    let mut language = Environment::empty();
    language.set_undefined_behavior(UndefinedBehavior::Strict);
    language.set_auto_escape_callback(|_| AutoEscape::Custom("quoted".into()));
    // Lines that hold a block alone leave no empty lines behind.
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build();
    if let Ok(syntax) = syntax {
        language.set_syntax(syntax);
    }
    language.add_function("range", functions::range);
    language.add_function("namespace", functions::namespace);
    add_filters(&mut language);
    add_tests(&mut language);
    language.add_test("address", |text: String| {
        text.parse::<std::net::IpAddr>().is_ok()
    });
    language.add_test("quotable", move |value: &Value| {
        let text = quote::unmarked(&value.to_string()).into_owned();
        quote::is_quotable(&text, context)
    });
    language
}

fn add_filters(language: &mut Environment<'static>) {
    // Of numbers, lists and maps.
    language.add_filter("abs", filters::abs);
    language.add_filter("attr", filters::attr);
    language.add_filter("batch", filters::batch);
    language.add_filter("bool", filters::bool);
    language.add_filter("d", filters::default);
    language.add_filter("default", filters::default);
    language.add_filter("dictsort", filters::dictsort);
    language.add_filter("first", |list: Value| filters::first(&bare(list)));
    language.add_filter("float", filters::float);
    language.add_filter("groupby", filters::groupby);
    language.add_filter("int", filters::int);
    language.add_filter("items", filters::items);
    language.add_filter("length", |value: Value| filters::length(&bare(value)));
    language.add_filter("map", filters::map);
    language.add_filter("max", filters::max);
    language.add_filter("min", filters::min);
    language.add_filter("reject", filters::reject);
    language.add_filter("rejectattr", filters::rejectattr);
    language.add_filter("round", filters::round);
    language.add_filter("select", filters::select);
    language.add_filter("selectattr", filters::selectattr);
    language.add_filter("slice", filters::slice);
    language.add_filter("sort", filters::sort);
    language.add_filter("sum", filters::sum);
    language.add_filter("unique", filters::unique);
    // Of text: what comes out is data again, whatever went in.
    language.add_filter("last", |list: Value| filters::last(bare(list)));
    language.add_filter("list", |state: &State<'_, '_>, list: Value| {
        filters::list(state, bare(list))
    });
    language.add_filter("reverse", |list: Value| filters::reverse(&bare(list)));
    language.add_filter("lower", |text: String| {
        quote::unmarked(&text).to_lowercase()
    });
    language.add_filter("upper", |text: String| {
        quote::unmarked(&text).to_uppercase()
    });
    language.add_filter("trim", |text: String| {
        quote::unmarked(&text).trim().to_owned()
    });
    language.add_filter("split", |text: String, at: String| {
        let text = quote::unmarked(&text);
        let parts = text.split(at.as_str()).map(str::to_owned);
        parts.collect::<Vec<_>>()
    });
    language.add_filter("join", join);
    language.add_filter("replace", |text: String, from: String, to: String| {
        quote::unmarked(&text).replace(from.as_str(), &quote::unmarked(&to))
    });
    // Of our own.
    language.add_filter("id", |text: String| name::of_text(&quote::unmarked(&text)));
    language.add_filter("tojson", |value: &Value| to_json(value));
    language.add_filter("dangerously_raw", |text: String| {
        Value::from_safe_string(quote::unmarked(&text).into_owned())
    });
}

fn add_tests(language: &mut Environment<'static>) {
    language.add_test("defined", kinds::is_defined);
    language.add_test("undefined", kinds::is_undefined);
    language.add_test("none", kinds::is_none);
    language.add_test("string", kinds::is_string);
    language.add_test("number", kinds::is_number);
    language.add_test("mapping", kinds::is_mapping);
    language.add_test("sequence", kinds::is_sequence);
    language.add_test("odd", kinds::is_odd);
    language.add_test("even", kinds::is_even);
    language.add_test("true", kinds::is_true);
    language.add_test("false", kinds::is_false);
    language.add_test("in", kinds::is_in);
    for name in ["eq", "=="] {
        language.add_test(name, kinds::is_eq);
    }
    for name in ["ne", "!="] {
        language.add_test(name, kinds::is_ne);
    }
    for name in ["lt", "<"] {
        language.add_test(name, kinds::is_lt);
    }
    for name in ["le", "<="] {
        language.add_test(name, kinds::is_le);
    }
    for name in ["gt", ">"] {
        language.add_test(name, kinds::is_gt);
    }
    for name in ["ge", ">="] {
        language.add_test(name, kinds::is_ge);
    }
    language.add_test("startingwith", kinds::is_startingwith);
    language.add_test("endingwith", kinds::is_endingwith);
}

/// Text that was put together is data again, without its marks.
fn bare(value: Value) -> Value {
    match value.as_str() {
        Some(text) => Value::from(quote::unmarked(text)),
        None => value,
    }
}

fn join(list: &Value, between: Option<String>) -> Result<String, Error> {
    let between = between.unwrap_or_default();
    let parts: Vec<String> = list.try_iter()?.map(|part| part.to_string()).collect();
    Ok(quote::unmarked(&parts.join(&between)).into_owned())
}

fn to_json(value: &Value) -> Result<String, Error> {
    serde_json::to_string(&value).map_err(|error| failure(format!("cannot be JSON: {error}")))
}

#[cfg(test)]
mod tests;
