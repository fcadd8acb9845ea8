//! Databases' encodings: names made of their bytes, and what those say.

use postgres::Client;

use crate::wait::slowness;
use crate::Cluster;

/// The encoding of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Utf8,
    Latin1,
    Win1252,
    EucJp,
    /// What `initdb` under `LANG=C` makes: any bytes are text, and nobody knows what they mean.
    SqlAscii,
}

impl Encoding {
    /// As Postgres calls it.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Utf8 => "UTF8",
            Encoding::Latin1 => "LATIN1",
            Encoding::Win1252 => "WIN1252",
            Encoding::EucJp => "EUC_JP",
            Encoding::SqlAscii => "SQL_ASCII",
        }
    }

    /// Names that people have: their bytes, and what they say.
    pub fn known(self) -> Vec<(&'static [u8], &'static str)> {
        match self {
            Encoding::Utf8 => vec![
                ("Zoë Müller-Großé".as_bytes(), "Zoë Müller-Großé"),
                ("日本 太郎 \u{1F600}".as_bytes(), "日本 太郎 \u{1F600}"),
            ],
            Encoding::Latin1 => vec![
                (b"Zo\xEB M\xFCller-Gro\xDF\xE9", "Zoë Müller-Großé"),
                (b"Andr\xE9", "André"),
                (b"A\xA0B", "A B"), // a space that does not break is a space
                (b"\xC9\xE8\xFF", "Éèÿ"),
            ],
            Encoding::Win1252 => vec![
                (b"\x93Zo\xEB\x94 O\x92Neill", "\u{201C}Zoë\u{201D} O\u{2019}Neill"),
                (b"\x80uro \x8Apela\x9E", "€uro Špelaž"),
                (b"no \x81 character", "no \u{FFFD} character"),
                (b"at the end \x9D", "at the end \u{FFFD}"),
            ],
            Encoding::EucJp => vec![
                (b"\xC6\xFC\xCB\xDC", "日本"),
                (b"\xBA\xB4\xC6\xA3 \xC2\xC0\xCF\xBA", "佐藤 太郎"),
                (b"\x8E\xB1 \x8F\xAB\xB1", "\u{FF71} é"),
            ],
            Encoding::SqlAscii => vec![
                ("Zoë 日本 \u{1F600}".as_bytes(), "Zoë 日本 \u{1F600}"),
                (b"Andr\xE9", "Andr\u{FFFD}"),
                (b"\xE9", "\u{FFFD}"),
                (b"Zo\xC3", "Zo\u{FFFD}"),
                (b"\xA9\xC3\xA9\xA9", "\u{FFFD}é\u{FFFD}"),
                (b"cut \xF0\x9F\x98", "cut \u{FFFD}"),
                (b"half \xED\xA0\x80 pair", "half \u{FFFD}\u{FFFD}\u{FFFD} pair"),
            ],
        }
    }

    /// Several hundred names: those that people have, and every piece of text that is not ASCII, as
    /// far as the encoding has so few, at the end and in the middle. A name that ends in a byte
    /// which begins a character of UTF-8 is what a reader that does not check runs away with.
    /// Fewer where the server is slow.
    pub fn names(self) -> Vec<Vec<u8>> {
        let mut names: Vec<Vec<u8>> =
            self.known().iter().map(|(bytes, _)| bytes.to_vec()).collect();
        let pieces: Vec<Vec<u8>> = self.pieces().into_iter().step_by(slowness() as usize).collect();
        for (n, piece) in pieces.iter().enumerate() {
            // Lengths of all kinds: what lies behind a text in memory depends on its length.
            names.push([&b"x".repeat(n % 40 + 1), &piece[..]].concat());
            names.push([b"Na", &piece[..], b"me"].concat());
        }
        for piece in pieces.iter().step_by(40) {
            names.push([&b"y".repeat(90), &piece.repeat(20)[..]].concat());
            names.push([&b"z".repeat(200_000), &piece[..]].concat());
        }
        names
    }

    fn pieces(self) -> Vec<Vec<u8>> {
        match self {
            Encoding::Utf8 => ('\u{80}'..'\u{180}').map(|c| c.to_string().into()).collect(),
            Encoding::Latin1 | Encoding::Win1252 => (0x80..=0xFF).map(|b| vec![b]).collect(),
            Encoding::SqlAscii => {
                let single = (0x80..=0xFF).map(|b| vec![b]);
                // What each beginning promises, one byte short of it.
                let short = (0xE0..=0xF7)
                    .map(|b| [&[b][..], &b"\x9F"[..], &b"\x9F"[..(b >> 4 & 1) as usize]].concat());
                single.chain(short).collect()
            }
            Encoding::EucJp => (0xA1..=0xFE)
                .flat_map(|b| [vec![0xB0, b], vec![0x8F, 0xB0, b], vec![0xA9, b]])
                .chain((0xA1..=0xDF).map(|b| vec![0x8E, b]))
                .collect(),
        }
    }

    /// The bytes of one character after the other, as Postgres divides them.
    fn characters(self, mut bytes: &[u8]) -> Vec<&[u8]> {
        let mut all = Vec::new();
        while let Some(first) = bytes.first() {
            let length = match (self, first) {
                (Encoding::EucJp, 0x8F) => 3,
                (Encoding::EucJp, 0x80..) => 2,
                _ => 1,
            };
            let (character, rest) = bytes.split_at(length);
            all.push(character);
            bytes = rest;
        }
        all
    }

    /// What is left of CometChat's text in a database: `?` for what its encoding lacks.
    pub fn stored(self, text: &str) -> String {
        let lacks = |c: char| match self {
            Encoding::Utf8 | Encoding::SqlAscii => false,
            Encoding::Latin1 => c > '\u{FF}',
            Encoding::Win1252 => c > '\u{FF}' && !"€Šž“”’".contains(c),
            Encoding::EucJp => c > '\u{FFFF}', // of what tests store
        };
        text.chars().map(|c| if lacks(c) { '?' } else { c }).collect()
    }
}

/// Says what bytes mean, by way of the server's conversions one character at a time.
pub struct Reader {
    encoding: Encoding,
    client: Client,
}

impl Reader {
    pub fn of(encoding: Encoding) -> Reader {
        let mut client = Cluster::shared().admin("postgres"); // which is UTF-8
        let sql = "CREATE FUNCTION pg_temp.say(piece bytea, encoding text) RETURNS text
                   LANGUAGE plpgsql AS $$
                   BEGIN
                     RETURN convert_from(piece, encoding);
                   EXCEPTION WHEN OTHERS THEN
                     RETURN chr(65533); -- it has no such character
                   END $$";
        client.batch_execute(sql).expect(sql);
        Reader { encoding, client }
    }

    /// What the bytes of a text in the database say.
    pub fn say(&mut self, bytes: &[u8]) -> String {
        if matches!(self.encoding, Encoding::Utf8 | Encoding::SqlAscii) || bytes.is_ascii() {
            return String::from_utf8_lossy(bytes).into_owned();
        }
        let sql = "SELECT string_agg(pg_temp.say(c.bytes, $2), '' ORDER BY c.n)
                   FROM unnest($1::bytea[]) WITH ORDINALITY AS c(bytes, n)";
        let (plain, rest) = bytes.split_at(bytes.iter().position(|b| !b.is_ascii()).unwrap_or(0));
        let characters = self.encoding.characters(rest);
        let rest: String =
            self.client.query_one(sql, &[&characters, &self.encoding.name()]).expect(sql).get(0);
        String::from_utf8_lossy(plain).into_owned() + &rest
    }

    /// The display name that it makes: without control characters, white space one space, at most
    /// 100 units of UTF-16; `None` when nothing is left.
    pub fn name(&mut self, bytes: &[u8]) -> Option<String> {
        let visible: String = self
            .say(bytes)
            .chars()
            .map(|c| if c.is_whitespace() { ' ' } else { c })
            .filter(|c| !c.is_control() && *c != '\u{AD}')
            .collect();
        let words: Vec<&str> = visible.split(' ').filter(|word| !word.is_empty()).collect();
        let mut units = 0;
        let cut: String = words
            .join(" ")
            .chars()
            .take_while(|c| {
                units += c.len_utf16();
                units <= 100
            })
            .collect();
        Some(cut.trim_end().to_owned()).filter(|name| !name.is_empty())
    }
}

/// Makes a test of each of these functions for a database of each encoding. UTF-8 is among them: what
/// fails there too is no matter of encodings.
#[macro_export]
macro_rules! in_each_encoding {
    ($($test:ident),* $(,)?) => {
        $crate::in_each_encoding!(@ utf8 Utf8 ($($test)*));
        $crate::in_each_encoding!(@ latin1 Latin1 ($($test)*));
        $crate::in_each_encoding!(@ win1252 Win1252 ($($test)*));
        $crate::in_each_encoding!(@ euc_jp EucJp ($($test)*));
        $crate::in_each_encoding!(@ sql_ascii SqlAscii ($($test)*));
    };
    (@ $module:ident $encoding:ident ($($test:ident)*)) => {
        mod $module {
            $(#[test]
            fn $test() {
                super::$test($crate::Encoding::$encoding);
            })*
        }
    };
}
