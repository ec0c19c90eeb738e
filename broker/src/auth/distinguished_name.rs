//! A certificate's subject in the form of RFC 2253, which is how Kafka's
//! principals of TLS clients read: `CN=alice,OU=ops,O=Example,C=CH`.

use std::fmt::Write as _;

use x509_cert::{
    Certificate,
    attr::AttributeTypeAndValue,
    der::{
        Decode, Encode, Tag, Tagged,
        asn1::{BmpString, Ia5StringRef, PrintableStringRef, TeletexStringRef, Utf8StringRef},
    },
};

/// Attribute types that RFC 2253 names; any other is written as its number,
/// with its value in hexadecimal.
const KEYWORDS: &[(&str, &str)] = &[
    ("2.5.4.3", "CN"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
];

/// The subject of a DER certificate, most specific attribute first.
///
/// # Errors
/// When the bytes are no X.509 certificate.
pub(super) fn subject(certificate: &[u8]) -> Result<String, x509_cert::der::Error> {
    let certificate = Certificate::from_der(certificate)?;
    let sets = certificate.tbs_certificate.subject.0.iter().rev();
    let names = sets.map(|set| {
        let attributes: Result<Vec<_>, _> = set.0.iter().map(attribute).collect();
        attributes.map(|attributes| attributes.join("+"))
    });
    let names: Result<Vec<String>, _> = names.collect();
    names.map(|names| names.join(","))
}

fn attribute(attribute: &AttributeTypeAndValue) -> Result<String, x509_cert::der::Error> {
    let oid = attribute.oid.to_string();
    let keyword = KEYWORDS.iter().find(|(number, _)| *number == oid);
    match (keyword, value_text(attribute)) {
        (Some((_, keyword)), Some(text)) => Ok(format!("{keyword}={}", escaped(&text))),
        (keyword, _) => {
            let mut written = keyword.map_or(oid, |(_, keyword)| (*keyword).to_owned());
            written.push_str("=#");
            for byte in attribute.value.to_der()? {
                // Writing into a String never fails.
                let _ = write!(written, "{byte:02x}");
            }
            Ok(written)
        }
    }
}

fn value_text(attribute: &AttributeTypeAndValue) -> Option<String> {
    let value = &attribute.value;
    let text = match value.tag() {
        Tag::Utf8String => value.decode_as::<Utf8StringRef<'_>>().ok()?.as_str().to_owned(),
        Tag::PrintableString => {
            value.decode_as::<PrintableStringRef<'_>>().ok()?.as_str().to_owned()
        }
        Tag::Ia5String => value.decode_as::<Ia5StringRef<'_>>().ok()?.as_str().to_owned(),
        Tag::TeletexString => value.decode_as::<TeletexStringRef<'_>>().ok()?.as_str().to_owned(),
        Tag::BmpString => value.decode_as::<BmpString>().ok()?.to_string(),
        _ => return None,
    };
    Some(text)
}

/// RFC 2253, section 2.4.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let last = text.chars().count().saturating_sub(1);
    for (index, c) in text.chars().enumerate() {
        let at_edge = (c == ' ' && (index == 0 || index == last)) || (c == '#' && index == 0);
        if at_edge || matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

    use super::*;

    fn subject_of(attributes: &[(DnType, &str)]) -> String {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (kind, value) in attributes {
            params.distinguished_name.push(kind.clone(), *value);
        }
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        subject(certificate.der()).unwrap()
    }

    #[test]
    fn a_subject_reads_as_kafka_writes_it() {
        let subject = subject_of(&[
            (DnType::CountryName, "CH"),
            (DnType::OrganizationName, "Example, Inc. \"E\""),
            (DnType::OrganizationalUnitName, " a+b"),
            (DnType::CommonName, "#alice"),
        ]);
        assert_eq!(subject, r#"CN=\#alice,OU=\ a\+b,O=Example\, Inc. \"E\",C=CH"#);
    }

    #[test]
    fn an_attribute_without_a_keyword_is_written_by_its_number() {
        let email = DnType::CustomDnType(vec![1, 2, 840, 113_549, 1, 9, 1]);
        let subject = subject_of(&[(email, "a@b"), (DnType::CommonName, "x")]);
        assert_eq!(subject, "CN=x,1.2.840.113549.1.9.1=#0c03614062");
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        assert!(subject(b"").is_err());
        assert!(subject(&[0x30, 0x03, 1, 1, 1]).is_err());
    }
}
