//! Authorization, SASL and TLS.

use super::{
    BrokerKey,
    ConfigKind::{Boolean, Int, List, Long, String},
    key, unset,
};

pub(super) const KEYS: &[BrokerKey] = &[
    key(
        "listener.security.protocol.map",
        List,
        "PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL",
        "How each listener's bytes are protected, NAME:PROTOCOL.",
    ),
    unset(
        "authorizer.class.name",
        String,
        "org.apache.kafka.metadata.authorizer.StandardAuthorizer checks ACLs; unset checks none.",
    ),
    unset("super.users", String, "Principals that may do everything, User:NAME, with semicolons."),
    key(
        "allow.everyone.if.no.acl.found",
        Boolean,
        "false",
        "Whether what no ACL speaks of is allowed.",
    ),
    unset(
        "sasl.enabled.mechanisms",
        List,
        "How clients may log in: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512.",
    ),
    key(
        "sasl.kerberos.min.time.before.relogin",
        Long,
        "60000",
        "Accepted for compatibility: GSSAPI is not served.",
    ),
    key(
        "sasl.server.max.receive.size",
        Int,
        "524288",
        "The largest request accepted from a client that has not authenticated.",
    ),
    key(
        "connections.max.reauth.ms",
        Long,
        "0",
        "How long after its authentication a client must authenticate again; 0 is never.",
    ),
    key(
        "connection.failed.authentication.delay.ms",
        Int,
        "100",
        "How long the answer to a failed authentication is held back.",
    ),
    key("ssl.keystore.type", String, "PEM", "The form of keys and certificates."),
    unset(
        "ssl.keystore.location",
        String,
        "A PEM file with the broker's private key and certificate chain; read anew when it changes.",
    ),
    unset("ssl.keystore.certificate.chain", String, "The certificate chain itself, as PEM."),
    unset("ssl.keystore.key", String, "The private key itself, as PEM, not encrypted."),
    key("ssl.truststore.type", String, "PEM", "The form of trusted certificates."),
    unset(
        "ssl.truststore.location",
        String,
        "A PEM file with the authorities that clients' certificates are checked against.",
    ),
    unset("ssl.truststore.certificates", String, "The authorities themselves, as PEM."),
    key(
        "ssl.client.auth",
        String,
        "none",
        "Whether clients show a certificate: none, requested or required.",
    ),
    key("ssl.enabled.protocols", List, "TLSv1.2,TLSv1.3", "The versions of TLS that are spoken."),
    key(
        "ssl.principal.mapping.rules",
        String,
        "DEFAULT",
        "From a client certificate's subject to its principal: DEFAULT or RULE:pattern/replacement/[LU].",
    ),
];
