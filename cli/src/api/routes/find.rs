//! Which route a path leads to.

use tiny_http::Method;

use super::{Endpoint, Route, all, console, replica};

/// Where a path leads.
#[derive(Debug)]
pub enum RouteMatch<'p> {
    /// To a route; with the segment that stood for the placeholder, empty without one.
    Route(&'static Route, &'p str),
    /// To this route, were there a slash at its end.
    SlashMissing(&'static Route),
    /// Nowhere.
    Nothing,
}

impl Route {
    /// Says whether the route has this method.
    pub fn allows(&self, method: &Method) -> bool {
        let has = |method: &Method| self.operations.iter().any(|operation| operation.method == *method);
        *method == Method::Options || has(if *method == Method::Head { &Method::Get } else { method })
    }

    /// Returns the value of `Allow`.
    pub fn allow(&self) -> String {
        let mut names: Vec<&str> = self.operations.iter().map(|operation| operation.method.as_str()).collect();
        if self.allows(&Method::Head) {
            names.push("HEAD");
        }
        names.push("OPTIONS");
        names.join(", ")
    }

    /// Says whether it is there only where the console is.
    pub fn is_console(&self) -> bool {
        matches!(self.endpoint, Endpoint::Console | Endpoint::Operator(_))
    }

    /// Says whether it is about objects as another `news` has them.
    pub fn is_replica(&self) -> bool {
        self.pattern.starts_with(replica::BELOW)
    }

    /// Matches a decoded path. Returns what stands for the placeholder; without one, an empty text.
    fn matches<'p>(&self, path: &'p str) -> Option<&'p str> {
        let mut found = "";
        let (mut wanted, mut segments) = (self.pattern.split('/'), path.split('/'));
        loop {
            let (want, segment) = match (wanted.next(), segments.next()) {
                (None, None) => return Some(found),
                (Some(want), Some(segment)) => (want, segment),
                (_, _) => return None,
            };
            let fits = match want {
                "{id}" => !segment.is_empty() && !segment.contains('.'),
                "{post_id}" => is_integer(segment),
                literal => literal == segment,
            };
            if !fits {
                return None;
            }
            if want.starts_with('{') {
                found = segment;
            }
        }
    }
}

/// Finds the route of a decoded path.
pub fn find(path: &str) -> RouteMatch<'_> {
    if let Some((route, segment)) = all().find_map(|route| route.matches(path).map(|segment| (route, segment))) {
        return RouteMatch::Route(route, segment);
    }
    if let Some((route, name)) = console::file(path) {
        return RouteMatch::Route(route, name);
    }
    let slashed = format!("{path}/");
    match all().find(|route| route.matches(&slashed).is_some()) {
        Some(route) => RouteMatch::SlashMissing(route),
        None => RouteMatch::Nothing,
    }
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

/// Reads the id in a path: nothing where it is no integer. Python's leniency (`+1`, `1_0`, other
/// scripts' digits) is not ours. Beyond bigint it is 0, which no object has.
pub fn id(segment: &str) -> Option<i64> {
    is_integer(segment).then(|| segment.parse().unwrap_or(0))
}
