// SPDX-License-Identifier: MIT
// SMTP and LMTP (RFC 3207), IMAP (RFC 3501 6.2.1), POP3 (RFC 2595 4), FTP (RFC 4217), NNTP
// (RFC 4642), LDAP (RFC 4511 4.14), XMPP (RFC 6120 5) and PostgreSQL's SSLRequest.
#include "relay/starttls.h"

#include <algorithm>
#include <optional>

namespace superd {

namespace {

using Then = StarttlsTalk::Then;
using Answer = StarttlsTalk::Answer;

std::string upper(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    return out;
}

bool is_printable(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

// The first word, and what stands behind it.
std::string_view take_word(std::string_view& line) {
    const std::size_t end = std::min(line.find(' '), line.size());
    const std::string_view word = line.substr(0, end);
    line.remove_prefix(std::min(end + 1, line.size()));
    return word;
}

// ---- one line of a client, without its end

Answer answer_smtp(std::string_view line, bool local) {
    const std::string word = upper(take_word(line));
    if (word == "STARTTLS") return {"220 2.0.0 Ready to start TLS\r\n", Then::shake};
    if (word == (local ? "LHLO" : "EHLO")) return {"250-superd\r\n250 STARTTLS\r\n", Then::more};
    if (word == "HELO" && !local) return {"250 superd\r\n", Then::more};
    if (word == "NOOP" || word == "RSET") return {"250 2.0.0 Ok\r\n", Then::more};
    if (word == "QUIT") return {"221 2.0.0 Bye\r\n", Then::close};
    return {"530 5.7.0 Must issue a STARTTLS command first\r\n", Then::more};
}

Answer answer_imap(std::string_view line) {
    const std::string tag(take_word(line));
    if (tag.empty() || tag.size() > 64) return {"* BAD no tag\r\n", Then::more};
    const std::string word = upper(take_word(line));
    if (word == "STARTTLS") return {tag + " OK Begin TLS negotiation now\r\n", Then::shake};
    if (word == "CAPABILITY")
        return {"* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\n" + tag + " OK done\r\n",
                Then::more};
    if (word == "NOOP") return {tag + " OK done\r\n", Then::more};
    if (word == "LOGOUT") return {"* BYE bye\r\n" + tag + " OK done\r\n", Then::close};
    return {tag + " NO [PRIVACYREQUIRED] STARTTLS first\r\n", Then::more};
}

Answer answer_pop3(std::string_view line) {
    const std::string word = upper(take_word(line));
    if (word == "STLS") return {"+OK Begin TLS negotiation\r\n", Then::shake};
    if (word == "CAPA") return {"+OK\r\nSTLS\r\n.\r\n", Then::more};
    if (word == "QUIT") return {"+OK Bye\r\n", Then::close};
    return {"-ERR STLS first\r\n", Then::more};
}

Answer answer_ftp(std::string_view line) {
    const std::string word = upper(take_word(line)), what = upper(line);
    if (word == "AUTH" && (what == "TLS" || what == "TLS-C" || what == "SSL"))
        return {"234 Begin TLS negotiation\r\n", Then::shake};
    if (word == "AUTH") return {"504 Only AUTH TLS\r\n", Then::more};
    if (word == "FEAT") return {"211-Features:\r\n AUTH TLS\r\n211 End\r\n", Then::more};
    if (word == "NOOP") return {"200 Ok\r\n", Then::more};
    if (word == "QUIT") return {"221 Bye\r\n", Then::close};
    return {"534 AUTH TLS first\r\n", Then::more};
}

Answer answer_nntp(std::string_view line) {
    const std::string word = upper(take_word(line));
    if (word == "STARTTLS") return {"382 Continue with TLS negotiation\r\n", Then::shake};
    if (word == "CAPABILITIES")
        return {"101 Capabilities\r\nVERSION 2\r\nSTARTTLS\r\n.\r\n", Then::more};
    if (word == "QUIT") return {"205 Bye\r\n", Then::close};
    return {"483 STARTTLS first\r\n", Then::more};
}

Answer answer_line(Starttls kind, std::string_view line) {
    switch (kind) {
        case Starttls::smtp: return answer_smtp(line, false);
        case Starttls::lmtp: return answer_smtp(line, true);
        case Starttls::imap: return answer_imap(line);
        case Starttls::pop3: return answer_pop3(line);
        case Starttls::ftp: return answer_ftp(line);
        case Starttls::nntp: return answer_nntp(line);
        default: return {{}, Then::misbehaves};
    }
}

// ---- LDAP's BER: a tag and a short or long length, of at most what a message may have

struct Element {
    unsigned char tag = 0;
    std::string_view content;
    std::size_t size = 0;  // with tag and length
};

// Nothing: it is broken or too long; content is cut off where it has not come yet.
std::optional<Element> read_element(std::string_view bytes, bool& whole) {
    whole = false;
    if (bytes.size() < 2) return Element{};
    std::size_t length = static_cast<unsigned char>(bytes[1]), head = 2;
    if (length > 0x84 || length == 0x80) return std::nullopt;
    if (length > 0x80) {
        const std::size_t octets = length & 0x7f;
        head += octets;
        if (bytes.size() < head) return Element{};
        length = 0;
        for (std::size_t i = 2; i < head; ++i)
            length = length << 8 | static_cast<unsigned char>(bytes[i]);
    }
    if (length > starttls_line_limit) return std::nullopt;
    whole = bytes.size() >= head + length;
    return Element{static_cast<unsigned char>(bytes[0]), bytes.substr(head, length),
            head + length};
}

constexpr std::string_view starttls_name = "1.3.6.1.4.1.1466.20037";
constexpr unsigned char ldap_sequence = 0x30, ldap_integer = 0x02, ldap_extended = 0x77,
                        ldap_request_name = 0x80, ldap_unbind = 0x42;

std::string ldap_response(std::string_view id, char result) {
    std::string operation{'\x78', '\x07', '\x0a', '\x01', result, '\x04', '\0', '\x04', '\0'};
    std::string message{'\x02', static_cast<char>(id.size())};
    message.append(id).append(operation);
    return std::string{'\x30', static_cast<char>(message.size())} + message;
}

// ---- XMPP

constexpr std::string_view xmpp_namespace = "urn:ietf:params:xml:ns:xmpp-tls";

// The host that the client's stream is for, as far as it can stand in ours.
std::string xmpp_host(std::string_view header) {
    const std::size_t at = header.find(" to=");
    if (at == std::string_view::npos || at + 5 >= header.size()) return {};
    const char quote = header[at + 4];
    const std::size_t end = header.find(quote, at + 5);
    if ((quote != '\'' && quote != '"') || end == std::string_view::npos) return {};
    const std::string_view host = header.substr(at + 5, end - at - 5);
    const bool plain = std::all_of(host.begin(), host.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '-';
    });
    return plain ? std::string(host) : std::string();
}

std::string xmpp_stream(std::string_view header) {
    const std::string host = xmpp_host(header);
    const bool of_servers = header.find("jabber:server") != std::string_view::npos;
    std::string out = "<?xml version='1.0'?><stream:stream xmlns='jabber:";
    out += of_servers ? "server" : "client";
    out += "' xmlns:stream='http://etherx.jabber.org/streams' id='superd' version='1.0'";
    if (!host.empty()) out += " from='" + host + "'";
    return out + "><stream:features><starttls xmlns='" + std::string(xmpp_namespace) +
           "'><required/></starttls></stream:features>";
}

}  // namespace

std::string_view StarttlsTalk::greeting() const {
    switch (kind_) {
        case Starttls::smtp: return "220 superd ESMTP\r\n";
        case Starttls::lmtp: return "220 superd LMTP\r\n";
        case Starttls::imap:
            return "* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] STARTTLS first\r\n";
        case Starttls::pop3: return "+OK STLS first\r\n";
        case Starttls::ftp: return "220 AUTH TLS first\r\n";
        case Starttls::nntp: return "200 STARTTLS first\r\n";
        default: return {};  // the client speaks first
    }
}

Answer StarttlsTalk::hear(std::string_view bytes) {
    heard_.append(bytes);
    total_ += bytes.size();
    Answer answer;
    switch (kind_) {
        case Starttls::ldap: answer = hear_ldap(); break;
        case Starttls::xmpp: answer = hear_xmpp(); break;
        case Starttls::postgres: answer = hear_postgres(); break;
        default: answer = hear_lines(); break;
    }
    const bool too_much = heard_.size() > starttls_line_limit || total_ > starttls_total_limit;
    if (answer.then == Then::more && too_much) answer.then = Then::misbehaves;
    return answer;
}

Answer StarttlsTalk::hear_lines() {
    Answer all;
    for (;;) {
        const std::size_t end = heard_.find('\n');
        if (end == std::string::npos) return all;
        std::string line = heard_.substr(0, end);
        heard_.erase(0, end + 1);
        if (line.ends_with('\r')) line.pop_back();
        Answer one = is_printable(line) ? answer_line(kind_, line) : Answer{{}, Then::misbehaves};
        all.reply += one.reply;
        all.then = one.then;
        if (all.then != Then::more) return all;
    }
}

Answer StarttlsTalk::hear_ldap() {
    const Answer broken{{}, Then::misbehaves};
    if (!heard_.empty() && heard_.front() != ldap_sequence) return broken;
    bool whole = false;
    const auto message = read_element(heard_, whole);
    if (!message) return broken;
    if (!whole) return {};
    const auto id = read_element(message->content, whole);
    if (!id || !whole || id->tag != ldap_integer || id->content.empty() || id->content.size() > 4)
        return broken;
    const std::string number(id->content);
    const auto operation = read_element(message->content.substr(id->size), whole);
    if (!operation || !whole) return broken;
    if (operation->tag == ldap_unbind) return {{}, Then::close};
    const auto name = operation->tag == ldap_extended ? read_element(operation->content, whole)
                                                      : std::optional<Element>{};
    const bool asks = name && whole && name->tag == ldap_request_name &&
                      name->content == starttls_name;
    // confidentialityRequired
    if (!asks) return {ldap_response(number, 13), Then::close};
    return {ldap_response(number, 0), Then::shake};
}

Answer StarttlsTalk::hear_xmpp() {
    if (!stream_) {
        const std::size_t at = heard_.find("<stream:stream");
        const std::size_t end = at == std::string::npos ? at : heard_.find('>', at);
        if (end == std::string::npos) return {};
        const std::string header = heard_.substr(at, end - at);
        heard_.erase(0, end + 1);
        stream_ = true;
        return {xmpp_stream(header), Then::more};
    }
    const std::size_t at = heard_.find_first_not_of(" \t\r\n");
    if (at == std::string::npos) return {};
    const std::size_t end = heard_.find('>', at);
    if (end == std::string::npos) return {};
    const std::string_view stanza = std::string_view(heard_).substr(at, end - at + 1);
    if (stanza.starts_with("<starttls") && stanza.find(xmpp_namespace) != std::string_view::npos &&
            (stanza.ends_with("/>") || heard_.find("</starttls>", end) != std::string::npos))
        return {"<proceed xmlns='" + std::string(xmpp_namespace) + "'/>", Then::shake};
    if (stanza.starts_with("<starttls") && !stanza.ends_with("/>")) return {};
    return {"<stream:error><policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
            "</stream:error></stream:stream>",
            Then::close};
}

Answer StarttlsTalk::hear_postgres() {
    constexpr std::string_view tls("\0\0\0\x08\x04\xd2\x16\x2f", 8),
            gss("\0\0\0\x08\x04\xd2\x16\x30", 8);
    if (heard_.size() < tls.size()) return {};
    const std::string head = heard_.substr(0, tls.size());
    heard_.erase(0, tls.size());
    if (head == tls) return {"S", Then::shake};
    if (head == gss) return {"N", Then::more};
    std::string error("SFATAL\0C28000\0Mthe server takes TLS only\0\0", 42);
    return {std::string("E\0\0\0", 4) + static_cast<char>(error.size() + 4) + error, Then::close};
}

// ---- the greeting of the server

GreetingFilter::GreetingFilter(Starttls kind)
        : kind_(kind), waits_(!StarttlsTalk(kind).greeting().empty()) {}

std::string GreetingFilter::rest() {
    waits_ = false;
    return std::move(held_);
}

std::string GreetingFilter::hear(std::string_view bytes) {
    held_.append(bytes);
    while (waits_) {
        const std::size_t end = held_.find('\n');
        if (end == std::string::npos && held_.size() <= starttls_line_limit) return {};
        const std::string_view line = std::string_view(held_).substr(0, end);
        const bool numbers = kind_ != Starttls::imap && kind_ != Starttls::pop3;
        const bool good = end != std::string::npos &&
                          (numbers ? line.starts_with("2")
                                  : line.starts_with(kind_ == Starttls::imap ? "* " : "+OK") &&
                                                !line.starts_with("* BYE"));
        const bool goes_on = numbers && line.size() > 3 && line[3] == '-';
        if (!good) return rest();
        held_.erase(0, end + 1);
        if (!goes_on) return rest();
    }
    return rest();
}

}  // namespace superd
