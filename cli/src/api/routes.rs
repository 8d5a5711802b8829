//! The routes: one description, from which requests are routed, `Allow` is made, metrics are
//! named, and the OpenAPI document is written.

mod console;
mod find;
mod replica;

pub use find::{RouteMatch, find, id};

use news_core::Entity;
use tiny_http::Method;

/// What a route leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// Credentials -> a pair of tokens.
    TokenObtain,
    /// A refresh token -> an access token.
    TokenRefresh,
    /// Is a token good?
    TokenVerify,
    /// What there is.
    Root,
    /// The posts.
    Posts,
    /// A post.
    Post,
    /// A post's comments.
    PostComments,
    /// A comment.
    Comment,
    /// All objects of an entity, as another `news` has them.
    Replicas(Entity),
    /// One of them.
    Replica(Entity),
    /// The OpenAPI document.
    OpenApi,
    /// The page that shows it, and what that page loads.
    Docs(DocPage),
    /// The process lives.
    Healthz,
    /// The database can be reached, and its schema is ours.
    Readyz,
    /// Numbers for Prometheus.
    Metrics,
    /// The operator's console: its page, and what that loads.
    Console,
    /// What the console asks for and does.
    Operator(Operator),
}

/// What the console asks for and does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// Who asks, and what the console may do.
    Session,
    /// How the sync goes.
    Overview,
    /// Unsynced events.
    Events,
    /// What a run would do now.
    Plan,
    /// Objects that runs leave.
    Left,
    /// The same, grouped by what the target said.
    Groups,
    /// The history.
    Runs,
    /// A run.
    Run,
    /// What people did.
    Acts,
    /// Objects that imports left out.
    LeftOut,
    /// All that the database knows of an object.
    Object(Entity),
    /// The target's object.
    AtTarget(Entity),
    /// Whether the target answers.
    Target,
    /// Fingerprints of one side.
    Prints(Entity),
    /// Some objects on both sides, with their texts.
    Look,
    /// Let parked objects be tried again.
    Retry,
    /// Drop pending changes.
    Discard,
    /// Stop the sync of objects.
    Hold,
    /// Resume it.
    Release,
}

/// A file of the documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocPage {
    /// The page itself.
    Html,
    /// Its looks.
    Css,
    /// Its script.
    Js,
}

/// Who may come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Public,
    /// Bearers of an access token.
    Bearer,
    /// Bearers of an access token of a user who is staff.
    Staff,
}

/// Whose manners a route has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manners {
    /// Django REST framework's: negotiation, `Allow` on every answer, a slash at the end.
    Rest,
    /// A plain page for machines that watch the service.
    Plain,
    /// As REST, but for the negotiation: it is not JSON.
    Stream,
}

/// The shape of a body, by its name in the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// No body.
    Nothing,
    /// JSON or a form, with this schema below `components`.
    Named(&'static str),
    /// JSON alone, with this schema.
    Json(&'static str),
    /// A page of objects with this schema, or all of them as an array.
    ListOf(&'static str),
    /// All objects with this schema, as an array.
    ArrayOf(&'static str),
    /// Something else, of this media type.
    Media(&'static str),
}

/// A method of a route.
#[derive(Debug)]
pub struct Operation {
    /// The method.
    pub method: Method,
    /// Its name in the document.
    pub id: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// Parameters in its query or head, by their names below `components`.
    pub query: &'static [&'static str],
    /// What a client sends.
    pub takes: Content,
    /// The status of success.
    pub status: u16,
    /// What a client gets then.
    pub gives: Content,
    /// The other statuses that it has, 201 among them, beyond those that its route's manners, its access and its body bring.
    pub refusals: &'static [u16],
}

/// A route.
#[derive(Debug)]
pub struct Route {
    /// What it leads to.
    pub endpoint: Endpoint,
    /// The path. `{id}` stands for a segment without a dot, `{post_id}` for an integer.
    pub pattern: &'static str,
    /// Its methods; GET brings HEAD with it, and OPTIONS is always there.
    pub operations: &'static [Operation],
    /// Who may come in.
    pub access: Access,
    /// Whose manners it has.
    pub manners: Manners,
}

/// Every route.
pub fn all() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().chain(replica::ROUTES).chain(console::ROUTES)
}

/// The routes of the API, and of what watches it.
const ROUTES: &[Route] = &[
    Route {
        endpoint: Endpoint::TokenObtain,
        pattern: "/api-auth/token/",
        operations: &[post(
            "obtainToken",
            "Exchange a name and a password for a pair of tokens",
            "Credentials",
            (200, "TokenPair"),
            &[401],
        )],
        access: Access::Public,
        manners: Manners::Rest,
    },
    Route {
        endpoint: Endpoint::TokenRefresh,
        pattern: "/api-auth/token/refresh/",
        operations: &[post(
            "refreshToken",
            "Exchange a refresh token for an access token",
            "RefreshForm",
            (200, "AccessToken"),
            &[401],
        )],
        access: Access::Public,
        manners: Manners::Rest,
    },
    Route {
        endpoint: Endpoint::TokenVerify,
        pattern: "/api-auth/token/verify/",
        operations: &[post("verifyToken", "Ask whether a token is good", "TokenForm", (200, "Empty"), &[401])],
        access: Access::Public,
        manners: Manners::Rest,
    },
    Route {
        endpoint: Endpoint::Root,
        pattern: "/news/",
        operations: &[get("root", "List what there is", Content::Named("Root"), &[])],
        access: Access::Public,
        manners: Manners::Rest,
    },
    Route {
        endpoint: Endpoint::Posts,
        pattern: "/news/posts/",
        operations: &[
            get("listPosts", "List the posts, newest first", Content::ListOf("Post"), &[404]),
            post("createPost", "Make a post", "PostForm", (201, "Post"), &[]),
        ],
        access: Access::Bearer,
        manners: Manners::Rest,
    },
    Route {
        endpoint: Endpoint::Post,
        pattern: "/news/posts/{id}/",
        operations: &[
            get("getPost", "Get a post", Content::Named("Post"), &[304, 404]),
            put("updatePost", "Change a post, whole", "PostForm", "Post"),
            delete("deletePost", "Remove a post and its comments"),
        ],
        access: Access::Bearer,
        manners: Manners::Rest,
    },
    Route {
        endpoint: Endpoint::PostComments,
        pattern: "/news/posts/{post_id}/comments/",
        operations: &[
            get("listComments", "List the comments of a post, newest first", Content::ListOf("Comment"), &[404]),
            post("createComment", "Make a comment on a post", "CommentForm", (201, "Comment"), &[404]),
        ],
        access: Access::Bearer,
        manners: Manners::Rest,
    },
    Route {
        endpoint: Endpoint::Comment,
        pattern: "/news/comments/{id}/",
        operations: &[
            get("getComment", "Get a comment", Content::Named("Comment"), &[304, 404]),
            put("updateComment", "Change a comment, whole", "CommentForm", "Comment"),
            delete("deleteComment", "Remove a comment"),
        ],
        access: Access::Bearer,
        manners: Manners::Rest,
    },
    Route {
        endpoint: Endpoint::OpenApi,
        pattern: "/news/openapi.json",
        operations: &[get("openapi", "This document", Content::Named("Document"), &[])],
        access: Access::Public,
        manners: Manners::Plain,
    },
    Route {
        endpoint: Endpoint::Docs(DocPage::Html),
        pattern: "/news/docs/",
        operations: &[get("docs", "A page that shows this document", Content::Media("text/html"), &[])],
        access: Access::Public,
        manners: Manners::Plain,
    },
    Route {
        endpoint: Endpoint::Docs(DocPage::Css),
        pattern: "/news/docs/docs.css",
        operations: &[get("docsCss", "That page's looks", Content::Media("text/css"), &[])],
        access: Access::Public,
        manners: Manners::Plain,
    },
    Route {
        endpoint: Endpoint::Docs(DocPage::Js),
        pattern: "/news/docs/docs.js",
        operations: &[get("docsJs", "That page's script", Content::Media("text/javascript"), &[])],
        access: Access::Public,
        manners: Manners::Plain,
    },
    Route {
        endpoint: Endpoint::Healthz,
        pattern: "/healthz",
        operations: &[get("healthz", "Say that the process lives", Content::Named("Status"), &[])],
        access: Access::Public,
        manners: Manners::Plain,
    },
    Route {
        endpoint: Endpoint::Readyz,
        pattern: "/readyz",
        operations: &[get(
            "readyz",
            "Say whether the database is reachable and its schema current",
            Content::Named("Status"),
            &[],
        )],
        access: Access::Public,
        manners: Manners::Plain,
    },
    Route {
        endpoint: Endpoint::Metrics,
        pattern: "/metrics",
        operations: &[get("metrics", "Numbers for Prometheus", Content::Media("text/plain"), &[])],
        access: Access::Public,
        manners: Manners::Plain,
    },
];

const fn get(id: &'static str, summary: &'static str, gives: Content, refusals: &'static [u16]) -> Operation {
    let (query, takes) = (&[], Content::Nothing);
    Operation { method: Method::Get, id, summary, query, takes, status: 200, gives, refusals }
}

const fn post(
    id: &'static str,
    summary: &'static str,
    form: &'static str,
    (status, gives): (u16, &'static str),
    refusals: &'static [u16],
) -> Operation {
    let (takes, gives) = (Content::Named(form), Content::Named(gives));
    Operation { method: Method::Post, id, summary, query: &[], takes, status, gives, refusals }
}

const fn put(id: &'static str, summary: &'static str, form: &'static str, gives: &'static str) -> Operation {
    let (takes, gives) = (Content::Named(form), Content::Named(gives));
    Operation { method: Method::Put, id, summary, query: &[], takes, status: 200, gives, refusals: &[404, 412] }
}

const fn delete(id: &'static str, summary: &'static str) -> Operation {
    let (takes, gives) = (Content::Nothing, Content::Nothing);
    Operation { method: Method::Delete, id, summary, query: &[], takes, status: 204, gives, refusals: &[404, 412] }
}

#[cfg(test)]
mod tests;
