//! Routes, each with what its page of the OpenAPI document says: what is served is
//! documented, since it is said in one place.

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, on};
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::Worker;

/// Makes a type's schema.
type Shape = fn(&mut SchemaGenerator) -> Schema;

fn shape_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// What is said of a route.
pub(super) struct About {
    /// One sentence for people.
    pub(super) summary: &'static str,
    /// Names of parameters of the query, and what they do.
    pub(super) query: Vec<(&'static str, &'static str)>,
    /// The body that it takes.
    pub(super) body: Option<Shape>,
    /// What it answers when all is well, by status; `None` for no body.
    pub(super) answers: Vec<(u16, Option<Shape>)>,
}

impl About {
    pub(super) fn new(summary: &'static str) -> Self {
        Self { summary, query: Vec::new(), body: None, answers: Vec::new() }
    }

    pub(super) fn query(mut self, name: &'static str, does: &'static str) -> Self {
        self.query.push((name, does));
        self
    }

    pub(super) fn takes<T: JsonSchema>(mut self) -> Self {
        self.body = Some(shape_of::<T>);
        self
    }

    pub(super) fn answers<T: JsonSchema>(mut self, status: u16) -> Self {
        self.answers.push((status, Some(shape_of::<T>)));
        self
    }

    pub(super) fn answers_nothing(mut self, status: u16) -> Self {
        self.answers.push((status, None));
        self
    }
}

/// One method of one path.
pub(super) struct Operation {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) about: About,
}

/// Routes and what is said of them.
#[derive(Default)]
pub(super) struct Routes {
    pub(super) router: Router<Worker>,
    pub(super) operations: Vec<Operation>,
}

impl Routes {
    /// Has `handler` answer one method of a path.
    pub(super) fn on<H, T>(
        mut self,
        method: Method,
        path: &'static str,
        handler: H,
        about: About,
    ) -> Self
    where
        H: Handler<T, Worker>,
        T: 'static,
    {
        let filter = MethodFilter::try_from(method.clone()).expect("a method of HTTP");
        self.router = self.router.route(path, on(filter, handler));
        self.operations.push(Operation { method, path, about });
        self
    }

    /// All of both.
    pub(super) fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.operations.extend(other.operations);
        self
    }
}
