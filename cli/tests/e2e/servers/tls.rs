//! TLS with a CA of one's own.

use crate::support::{Db, News, OwnPg};

/// A server that takes TLS only; its certificate is `localhost`'s, signed by `ca.pem`.
fn server() -> OwnPg {
    OwnPg::start(|server| {
        server.write("names", "subjectAltName = DNS:localhost\n");
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        let ca = ["-x509", "-days", "2", "-subj", "/CN=a CA of the tests", "-keyout", "ca.key", "-out", "ca.pem"];
        server.expect("openssl", &[&["req"], &key[..], &ca].concat());
        let other = ["-x509", "-days", "2", "-subj", "/CN=another CA", "-keyout", "other.key", "-out", "other.pem"];
        server.expect("openssl", &[&["req"], &key[..], &other].concat());
        let request = ["-subj", "/CN=localhost", "-keyout", "data/server.key", "-out", "server.csr"];
        server.expect("openssl", &[&["req"], &key[..], &request].concat());
        let sign = "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out data/server.crt";
        server.expect("openssl", &sign.split(' ').collect::<Vec<_>>());
        server.write("data/pg_hba.conf", "local all all trust\nhostssl all all 127.0.0.1/32 trust\n");
        server.write("data/postgresql.auto.conf", "ssl = on\n");
    })
}

#[test]
fn who_the_server_is_counts_as_far_as_sslmode_says() {
    if !Db::empty().is_built_with("tls") {
        return;
    }
    let server = server();
    let port = server.port();
    let file = |name: &str| server.folder().join(name).display().to_string();
    let (ca, other) = (file("ca.pem"), file("other.pem"));
    let status = |host: &str, parameters: &str| {
        let url = format!("postgresql://tester@{host}:{port}/postgres?{parameters}");
        News::with_url(&url).run(["db", "status"])
    };

    for (host, parameters) in [
        ("localhost", format!("sslmode=verify-full&sslrootcert={ca}")),
        ("127.0.0.1", format!("sslmode=verify-ca&sslrootcert={ca}")),
        ("127.0.0.1", String::from("sslmode=require")),
        ("127.0.0.1", String::from("sslmode=prefer")),
        ("127.0.0.1", String::new()),
    ] {
        status(host, &parameters).ok();
    }
    for (host, parameters, code, said) in [
        ("127.0.0.1", format!("sslmode=verify-full&sslrootcert={ca}"), 8, "not made for 127.0.0.1"),
        ("localhost", format!("sslmode=verify-full&sslrootcert={other}"), 8, "not signed by a trusted CA"),
        ("localhost", format!("sslmode=verify-ca&sslrootcert={other}"), 8, "not signed by a trusted CA"),
        // As libpq does: a CA that is named is asked.
        ("localhost", format!("sslmode=require&sslrootcert={other}"), 8, "not signed by a trusted CA"),
        ("localhost", String::from("sslmode=verify-ca"), 2, "sslrootcert=FILE"),
        ("localhost", String::from("sslmode=verify-full&sslrootcert=/nowhere.pem"), 2, "/nowhere.pem"),
        ("localhost", String::from("sslmode=disable"), 8, "sslmode=require"),
    ] {
        let refused = status(host, &parameters).expect_code(code);
        assert!(refused.stderr.contains(said), "{parameters}: {}", refused.stderr);
    }
    // Without the CA: the machine's own roots do not know it.
    let system = News::with_url(&format!("postgresql://tester@localhost:{port}/postgres?sslmode=verify-full"));
    let refused = system.env("SSL_CERT_FILE", &other).run(["db", "status"]).expect_code(8);
    assert!(refused.stderr.contains("sslrootcert=FILE"), "{}", refused.stderr);
    // libpq's variables speak where the URL does not.
    let by_variables = News::with_url(&format!("postgresql://tester@127.0.0.1:{port}/postgres"))
        .env("PGSSLMODE", "verify-full")
        .env("PGSSLROOTCERT", &ca);
    by_variables.run(["db", "status"]).expect_code(8);
}

#[test]
fn a_server_without_tls_is_refused_where_tls_is_asked_for() {
    let server = OwnPg::start(|_| {});
    News::with_url(&server.url()).run(["db", "status"]).ok();
    let refused = News::with_url(&format!("{}?sslmode=require", server.url())).run(["db", "status"]).expect_code(8);
    assert!(refused.stderr.contains("TLS switched off"), "{}", refused.stderr);
}
