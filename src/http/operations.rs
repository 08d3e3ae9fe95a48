//! The router: what the faces registered, joined with the table of operations. A mismatch refuses to start.

use std::collections::{BTreeSet, HashMap};

use poem::endpoint::BoxEndpoint;
use poem::http::Method;
use poem_openapi::OpenApi;
use poem_openapi::registry::MetaParamIn;

use super::face::Face;
use super::list_query;
use crate::domain::operation::{OPERATIONS, Operation};

/// One operation of a face.
pub struct Route {
    /// The operation.
    pub operation: &'static Operation,
    /// The names of its query parameters.
    pub query: Vec<String>,
    /// What handles it.
    pub endpoint: BoxEndpoint<'static>,
}

/// A path with its methods.
#[derive(Default)]
struct Leaf {
    methods: Vec<(Method, RouteId)>,
    allow: String,
    variables: Vec<&'static str>,
}

/// The paths below a segment.
#[derive(Default)]
struct Node {
    literals: HashMap<String, Node>,
    variable: Option<Box<Node>>,
    leaf: Option<Leaf>,
}

/// The router of one face.
#[derive(Default)]
pub struct Routes {
    root: Node,
    all: Vec<Route>,
}

/// Names an operation of one face's router.
#[derive(Debug, Clone, Copy)]
pub struct RouteId(usize);

/// What a path and method lead to.
pub enum Found<'r> {
    /// An operation, with the path's variables.
    Route(RouteId, Vec<(&'static str, String)>),
    /// A path with other methods: the value of `Allow`.
    OtherMethods(&'r str),
    /// Nothing.
    Nothing,
}

impl Routes {
    /// Joins what a face registers with the table of operations.
    ///
    /// # Errors
    /// A registered operation that the table does not know, or one without an id.
    pub fn join<A: OpenApi>(face: Face, api: A) -> Result<Self, String> {
        let mut endpoints = HashMap::new();
        let meta = A::meta();
        api.add_routes(&mut endpoints);
        // The document spells variables `{id}`, the routes `:param0`: what both have is where they stand.
        let mut by_shape: HashMap<String, HashMap<Method, BoxEndpoint<'static>>> = HashMap::new();
        for (path, methods) in endpoints {
            by_shape.entry(shape(&path)).or_default().extend(methods);
        }
        let mut routes = Self::default();
        for path in meta.into_iter().flat_map(|api| api.paths) {
            // A path may be described in several pieces.
            let methods = by_shape.entry(shape(&path.path)).or_default();
            let leaf = routes.root.leaf_at(&path.path);
            for registered in path.operations {
                let id = registered.operation_id.ok_or_else(|| format!("an operation at {} has no id", path.path))?;
                let operation = Operation::find(id)
                    .ok_or_else(|| format!("`{id}` of the face {} is not in the table of operations", face.name()))?;
                let endpoint = methods
                    .remove(&registered.method)
                    .ok_or_else(|| format!("`{id}` has no endpoint at {}", path.path))?;
                let query = registered.params.iter().filter(|param| param.in_type == MetaParamIn::Query);
                let query = query.flat_map(list_query::names).collect();
                leaf.methods.push((registered.method, RouteId(routes.all.len())));
                routes.all.push(Route { operation, query, endpoint });
            }
            leaf.allow = allow(&leaf.methods);
        }
        Ok(routes)
    }

    /// Looks a path up, which begins with the face's base and ends without a slash.
    pub fn find<'r>(&'r self, method: &Method, path: &str) -> Found<'r> {
        let Some((leaf, values)) = self.leaf(path) else { return Found::Nothing };
        let sought = if *method == Method::HEAD { &Method::GET } else { method };
        match leaf.methods.iter().find(|(found, _)| found == sought) {
            Some((_, id)) => Found::Route(*id, leaf.variables.iter().copied().zip(values).collect()),
            None => Found::OtherMethods(&leaf.allow),
        }
    }

    /// The operation of this name.
    pub fn route(&self, id: RouteId) -> &Route {
        &self.all[id.0]
    }

    /// The methods of a path, as `Allow` lists them.
    pub fn allowed(&self, path: &str) -> Option<&str> {
        self.leaf(path).map(|(leaf, _)| leaf.allow.as_str())
    }

    fn leaf(&self, path: &str) -> Option<(&Leaf, Vec<String>)> {
        let mut node = &self.root;
        let mut values = Vec::new();
        for segment in path.strip_prefix('/')?.split('/') {
            node = match node.literals.get(segment) {
                Some(next) => next,
                None => {
                    values.push(decoded(segment)?);
                    node.variable.as_deref()?
                }
            };
        }
        Some((node.leaf.as_ref()?, values))
    }
}

impl Node {
    fn leaf_at(&mut self, path: &str) -> &mut Leaf {
        let mut node = self;
        let mut variables = Vec::new();
        for segment in path.trim_matches('/').split('/') {
            node = match variable(segment) {
                Some(name) => {
                    variables.push(&*name.to_owned().leak());
                    node.variable.get_or_insert_default()
                }
                None => node.literals.entry(segment.to_owned()).or_default(),
            };
        }
        let leaf = node.leaf.get_or_insert_default();
        leaf.variables = variables;
        leaf
    }
}

fn variable(segment: &str) -> Option<&str> {
    segment.strip_prefix(':').or_else(|| segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')))
}

/// A path without the names of its variables and without a slash at its end.
fn shape(path: &str) -> String {
    let segments = path.split('/').map(|segment| if variable(segment).is_some() { "{}" } else { segment });
    segments.collect::<Vec<_>>().join("/").trim_end_matches('/').to_owned()
}

/// GET brings HEAD, and every path answers OPTIONS.
fn allow(methods: &[(Method, RouteId)]) -> String {
    let mut names: BTreeSet<&str> = methods.iter().map(|(method, _)| method.as_str()).collect();
    if names.contains("GET") {
        names.insert("HEAD");
    }
    names.insert("OPTIONS");
    names.into_iter().collect::<Vec<_>>().join(", ")
}

/// A variable's value; `None` for what no id can be: not UTF-8, a control character, a slash in disguise.
fn decoded(segment: &str) -> Option<String> {
    if segment.is_empty() || segment.contains(';') || segment == "." || segment == ".." {
        return None;
    }
    if !segment.contains('%') {
        return Some(segment.to_owned());
    }
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes().iter();
    while let Some(byte) = rest.next() {
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let digits = [*rest.next()?, *rest.next()?];
        bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
    }
    let text = String::from_utf8(bytes).ok()?;
    let odd = text == ".." || text == "." || text.chars().any(|c| c.is_control() || c == '/' || c == '\\' || c == ';');
    (!odd).then_some(text)
}

/// Operations of the table that no face has registered.
pub fn unregistered(registered: &BTreeSet<&str>) -> Vec<&'static str> {
    OPERATIONS.iter().map(|operation| operation.id).filter(|id| !registered.contains(id)).collect()
}

/// The ids that a face registers.
pub fn ids<A: OpenApi>() -> BTreeSet<&'static str> {
    let paths = A::meta().into_iter().flat_map(|api| api.paths);
    paths.flat_map(|path| path.operations).filter_map(|operation| operation.operation_id).collect()
}

/// Where a face registers each operation, without a slash at the end.
pub fn paths<A: OpenApi>() -> HashMap<&'static str, String> {
    let paths = A::meta().into_iter().flat_map(|api| api.paths);
    let each = paths.flat_map(|path| {
        let plain = path.path.trim_end_matches('/').to_owned();
        path.operations.into_iter().filter_map(move |operation| Some((operation.operation_id?, plain.clone())))
    });
    each.collect()
}
