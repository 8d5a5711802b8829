//! The routes of objects as another `news` has them: with its ids, numbers and texts. The addresses are our own, and not those of
//! the Django service, whose clients send ids and authors that the API ignores.

use news_core::Entity;
use tiny_http::Method;

use super::{Access, Content, Endpoint, Manners, Operation, Route, get};

/// Below this path they are.
pub const BELOW: &str = "/news/replica/";

/// Its routes.
pub const ROUTES: &[Route] = &[
    Route {
        endpoint: Endpoint::Replicas(Entity::Post),
        pattern: "/news/replica/posts/",
        operations: &[get("listPostRows", "List all posts, by their ids", Content::ArrayOf("Post"), &[])],
        access: Access::Bearer,
        manners: Manners::Rest,
    },
    Route {
        endpoint: Endpoint::Replica(Entity::Post),
        pattern: "/news/replica/posts/{id}/",
        operations: &[
            get("getPostRow", "Get a post", Content::Named("Post"), &[304, 404]),
            put("putPostRow", "Create a post with this id, or change it", "PostRow", "Post"),
            delete("deletePostRow", "Remove a post and its comments"),
        ],
        access: Access::Bearer,
        manners: Manners::Rest,
    },
    Route {
        endpoint: Endpoint::Replicas(Entity::Comment),
        pattern: "/news/replica/comments/",
        operations: &[get("listCommentRows", "List all comments, by their ids", Content::ArrayOf("Comment"), &[])],
        access: Access::Bearer,
        manners: Manners::Rest,
    },
    Route {
        endpoint: Endpoint::Replica(Entity::Comment),
        pattern: "/news/replica/comments/{id}/",
        operations: &[
            get("getCommentRow", "Get a comment", Content::Named("Comment"), &[304, 404]),
            put("putCommentRow", "Create a comment with this id, or change or move it", "CommentRow", "Comment"),
            delete("deleteCommentRow", "Remove a comment"),
        ],
        access: Access::Bearer,
        manners: Manners::Rest,
    },
];

const fn put(id: &'static str, summary: &'static str, form: &'static str, gives: &'static str) -> Operation {
    let (takes, gives) = (Content::Named(form), Content::Named(gives));
    let (method, query, refusals) = (Method::Put, &["IfNew"], &[201, 403, 404, 412]);
    Operation { method, id, summary, query, takes, status: 200, gives, refusals }
}

const fn delete(id: &'static str, summary: &'static str) -> Operation {
    let (method, takes, gives) = (Method::Delete, Content::Nothing, Content::Nothing);
    Operation { method, id, summary, query: &[], takes, status: 204, gives, refusals: &[403, 404, 412] }
}
