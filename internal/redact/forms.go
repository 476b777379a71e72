package redact

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// formsOf returns the ways in which programs print a value.
func formsOf(value string) []string {
	forms := []string{value, printable(value)}
	quoted := []string{asJSON(value, true), asJSON(value, false), inASCII(asJSON(value, false)), unquote(strconv.Quote(value)), unquote(strconv.QuoteToASCII(value))}
	for _, q := range quoted {
		forms = append(forms, q, asJSON(q, true), asJSON(q, false)) // JSON is often logged within JSON
	}
	for _, u := range []string{url.QueryEscape(value), url.PathEscape(value), percent(value, ""), percent(value, "/"), percent(value, "!'()*")} {
		forms = append(forms, u, lowerEscapes(u))
	}
	encoded := hex.EncodeToString([]byte(value))
	forms = append(forms, encoded, strings.ToUpper(encoded))
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		whole := encoding.EncodeToString([]byte(value))
		forms = append(forms, whole, strings.TrimRight(whole, "="))
		for before := range 3 {
			forms = append(forms, within(value, encoding, before))
		}
	}
	return forms
}

// within returns the characters of base64 that a value alone decides when so many bytes, modulo 3, stand before it.
func within(value string, encoding *base64.Encoding, before int) string {
	data := append(make([]byte, before), value...)
	bits := 8 * len(data)
	return encoding.EncodeToString(data)[(8*before+5)/6 : bits/6]
}

// printable is how a value looks on a terminal: without what is no character.
func printable(value string) string {
	return strings.Map(func(c rune) rune {
		if c >= 0x7f && c < 0xa0 {
			return -1
		}
		return c
	}, value)
}

func asJSON(value string, html bool) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(html)
	_ = e.Encode(value) // a string can be encoded, and a buffer written
	return unquote(strings.TrimSuffix(b.String(), "\n"))
}

// inASCII writes what JSON leaves as it is and other encoders escape.
func inASCII(text string) string {
	var b strings.Builder
	for _, c := range text {
		if c < utf8.RuneSelf {
			b.WriteRune(c)
			continue
		}
		quoted := []byte(strconv.QuoteRuneToASCII(c)) // 'é' or '\U0001f511'
		if c > 0xffff {
			c -= 0x10000
			quoted = []byte(surrogate(0xd800+c>>10) + surrogate(0xdc00+c&0x3ff))
		}
		b.Write(bytes.Trim(quoted, "'"))
	}
	return b.String()
}

func surrogate(c rune) string { return `\u` + strconv.FormatInt(int64(c), 16) }

func unquote(text string) string { return text[1 : len(text)-1] }

// percent escapes everything but what no encoder escapes, and what this one leaves too.
func percent(value, safe string) string {
	var b strings.Builder
	for _, c := range []byte(value) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-_.~"+safe, c) >= 0:
			b.WriteByte(c)
		default:
			b.WriteString("%" + strings.ToUpper(hex.EncodeToString([]byte{c})))
		}
	}
	return b.String()
}

// lowerEscapes writes %2F as %2f.
func lowerEscapes(escaped string) string {
	b := []byte(escaped)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:i+3], bytes.ToLower(b[i+1:i+3]))
			i += 2
		}
	}
	return string(b)
}
