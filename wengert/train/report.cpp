#include "wengert/train/report.hpp"

#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <locale>
#include <nlohmann/json.hpp>
#include <sstream>

#include "wengert/array/number_text.hpp"
#include "wengert/io/file.hpp"
#include "wengert/ops/common.hpp"

namespace wengert::train {
namespace {

std::string number(double value, int digits) { return number_text(value, std::chars_format::fixed, digits); }

std::string escaped(const std::string& text) {
  std::string result;
  for (char c : text) {
    switch (c) {
      case '<': result += "&lt;"; break;
      case '&': result += "&amp;"; break;
      case '\'': result += "&#39;"; break;
      default: result += c;
    }
  }
  return result;
}

std::string base64(const std::string& data) {
  static const char* letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < data.size(); i += 3) {
    uint32_t bits = 0;
    for (size_t k = 0; k < 3; ++k) bits = bits << 8 | (i + k < data.size() ? static_cast<uint8_t>(data[i + k]) : 0);
    for (size_t k = 0; k < 4; ++k) text += i + k <= data.size() ? letters[bits >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

/// A grey PNG (ISO 15948): signature, header, one compressed block of rows, end.
std::string png(const Array& image) {
  const std::vector<float> pixels = image.to_vector<float>();
  const auto height = static_cast<size_t>(image.dim(0).value()), width = static_cast<size_t>(image.dim(1).value());
  std::string rows;
  for (size_t y = 0; y < height; ++y) {
    rows += '\0';  // no filter
    for (size_t x = 0; x < width; ++x)
      rows += static_cast<char>(std::clamp(255 * (1 - pixels[y * width + x]), 0.0f, 255.0f));
  }
  const auto big_endian = [](uint32_t v) {
    std::string bytes;
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(v >> shift);
    return bytes;
  };
  const auto chunk = [&](const std::string& type, const std::string& data) {
    const std::string body = type + data;
    const uLong crc = crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
    return big_endian(static_cast<uint32_t>(data.size())) + body + big_endian(static_cast<uint32_t>(crc));
  };
  uLongf size = compressBound(static_cast<uLong>(rows.size()));
  std::string packed(size, '\0');
  compress(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(rows.data()),
           static_cast<uLong>(rows.size()));
  packed.resize(size);
  const std::string header = big_endian(static_cast<uint32_t>(width)) + big_endian(static_cast<uint32_t>(height)) +
      std::string("\x08\0\0\0\0", 5);
  return std::string("\x89PNG\r\n\x1a\n", 8) + chunk("IHDR", header) + chunk("IDAT", packed) + chunk("IEND", "");
}

struct Line {
  std::string name, style;  // a class of the style sheet
  std::function<double(const EpochMetrics&)> value;
};

/// Where values stand in a chart: a frame with the vertical axis on its left and the epochs below it.
struct Frame {
  static constexpr double left = 52, right = 410, top = 10, bottom = 210;

  Frame(const std::vector<EpochMetrics>& epochs, const std::vector<Line>& lines) : count_(epochs.size()) {
    low = 1e300, high = -1e300;
    for (const EpochMetrics& e : epochs) {
      for (const Line& line : lines) {
        if (!std::isfinite(line.value(e))) continue;
        low = std::min(low, line.value(e));
        high = std::max(high, line.value(e));
      }
    }
    if (low > high) low = 0, high = 1;
    if (high - low < 1e-9 * std::max(1.0, std::abs(high))) low -= 0.5, high += 0.5;
  }
  double x(size_t i) const {
    return left + (count_ < 2 ? 0.5 : static_cast<double>(i) / static_cast<double>(count_ - 1)) * (right - left);
  }
  double y(double value) const { return top + (high - value) / (high - low) * (bottom - top); }

  double low, high;

 private:
  size_t count_;
};

/// A point for each epoch whose value is finite, and lines between neighbours.
std::string curve(const Frame& frame, const std::vector<EpochMetrics>& epochs, const Line& line, int digits) {
  std::string path, points;
  bool joined = false;
  for (size_t i = 0; i < epochs.size(); ++i) {
    const double value = line.value(epochs[i]);
    if (!std::isfinite(value)) {
      joined = false;
      continue;
    }
    const std::string x = number(frame.x(i), 1), y = number(frame.y(value), 1);
    path += (joined ? "L" : "M") + x + " " + y;
    points += "<circle class='" + line.style + "' fill='currentColor' cx='" + x + "' cy='" + y +
        "' r='3'><title>epoch " + std::to_string(epochs[i].epoch) + ", " + line.name + ": " +
        number(value, digits + 1) + "</title></circle>";
    joined = true;
  }
  return "<path class='" + line.style + "' fill='none' stroke='currentColor' stroke-width='2' d='" + path + "'/>" +
      points;
}

std::string chart(const std::string& title, const std::vector<EpochMetrics>& epochs, const std::vector<Line>& lines,
                  int digits) {
  const Frame frame(epochs, lines);
  std::string svg = "<figure><figcaption>" + title +
      "</figcaption><svg viewBox='0 0 420 250' fill='currentColor' font-size='11' role='img' aria-label='" + title +
      " by epoch'>";
  for (int k = 0; k <= 4; ++k) {
    const double value = frame.low + (frame.high - frame.low) * k / 4;
    const std::string y = number(frame.y(value), 1);
    svg += "<line class='grid' stroke='currentColor' x1='52' x2='410' y1='" + y + "' y2='" + y + "'/><text x='46' y='" +
        number(frame.y(value) + 4, 1) + "' text-anchor='end'>" + number(value, digits) + "</text>";
  }
  const size_t step = (epochs.size() + 14) / 15;  // at most 15 numbers, so that none stands on another
  for (size_t i = 0; i < epochs.size(); i += step) {
    svg += "<text x='" + number(frame.x(i), 1) + "' y='228' text-anchor='middle'>" + std::to_string(epochs[i].epoch) +
        "</text>";
  }
  svg += "<text x='231' y='246' text-anchor='middle'>epoch</text>";
  std::string legend;
  for (const Line& line : lines) {
    svg += curve(frame, epochs, line, digits);
    legend += "<span class='" + line.style + "'>&#9632; " + line.name + "</span> ";
  }
  return svg + "</svg><div class='legend'>" + legend + "</div></figure>";
}

std::string percent(double part) { return number(100 * part, 2) + " %"; }

std::string epoch_table(const std::vector<EpochMetrics>& epochs) {
  std::string html =
      "<table class='numbers'><thead><tr><th>epoch</th><th>training loss</th><th>training accuracy</th>"
      "<th>test accuracy</th><th>images/s</th></tr></thead>";
  for (const EpochMetrics& e : epochs) {
    html += "<tr><td>" + std::to_string(e.epoch) + "</td><td>" + number(e.loss, 4) + "</td><td>" + percent(e.accuracy) +
        "</td><td>" + percent(e.test_accuracy) + "</td><td>" + number(e.images_per_second, 0) + "</td></tr>";
  }
  return html + "</table>";
}

/// Rows are true classes. The shade of a cell is its share of the row; of what is wrong, four times that. The last
/// column is the share of the class that was found.
std::string confusion_table(const Report& r) {
  std::string html = "<table class='numbers confusion'><thead><tr><th>true \\ predicted</th>";
  for (const std::string& name : r.classes) html += "<th>" + escaped(name) + "</th>";
  html += "<th>found</th></tr></thead>";
  for (size_t i = 0; i < r.confusion.size(); ++i) {
    int64_t total = 0;
    for (int64_t n : r.confusion[i]) total += n;
    const auto share = [&](int64_t n) { return total > 0 ? static_cast<double>(n) / static_cast<double>(total) : 0.0; };
    html += "<tr><th>" + escaped(r.classes[i]) + "</th>";
    for (size_t j = 0; j < r.confusion[i].size(); ++j) {
      const double shade = std::min(0.85, share(r.confusion[i][j]) * (i == j ? 0.85 : 4));
      html += "<td style='background:rgba(" + std::string(i == j ? "40,140,70," : "210,70,40,") + number(shade, 2) +
          ")'>" + std::to_string(r.confusion[i][j]) + "</td>";
    }
    html += "<td>" + number(100 * share(r.confusion[i][i]), 1) + " %</td></tr>";
  }
  return html + "</table>";
}

std::string mistakes_grid(const Report& r) {
  std::string html = "<div class='mistakes'>";
  for (const Mistake& m : r.mistakes) {
    const std::string wanted = escaped(r.classes[static_cast<size_t>(m.wanted)]);
    const std::string predicted = escaped(r.classes[static_cast<size_t>(m.predicted)]);
    html += "<figure><img alt='" + wanted + "' src='data:image/png;base64," + base64(png(m.image)) + "'><figcaption>" +
        wanted + "<br>taken for <b>" + predicted + "</b></figcaption></figure>";
  }
  return html + "</div>";
}

void want_classes(const Report& r) {
  const size_t classes = r.classes.size();
  const auto fail_with = [](const std::string& got, const std::string& wanted) {
    fail(ErrorKind::value, "report-classes", "write_report", got, wanted);
  };
  if (r.confusion.size() != classes) {
    fail_with("a confusion matrix of " + std::to_string(r.confusion.size()) + " rows, " + std::to_string(classes) +
                  " classes",
              "a row for each class");
  }
  for (const std::vector<int64_t>& row : r.confusion) {
    if (row.size() == classes) continue;
    fail_with("a row of " + std::to_string(row.size()) + " numbers in the confusion matrix, " +
                  std::to_string(classes) + " classes",
              "a number for each class");
  }
  for (const Mistake& m : r.mistakes) {
    for (const int64_t index : {m.wanted, m.predicted}) {
      if (index >= 0 && index < static_cast<int64_t>(classes)) continue;
      fail_with("a mistake of class " + std::to_string(index),
                "a class from 0 to " + std::to_string(static_cast<int64_t>(classes) - 1));
    }
  }
}

std::string facts_table(const Report& r) {
  std::string html = "<table class='facts'>";
  for (const auto& [name, value] : r.facts) {
    html += "<tr><th>" + escaped(name) + "</th><td>" + escaped(value) + "</td></tr>";
  }
  return html + "</table>";
}

/// Light or dark as the reader's system asks for; on paper light, with shades, and nothing cut in two.
constexpr char style[] = R"(
:root { color-scheme: light dark; --paper: #fff; --ink: #222; --faint: #666; --rule: #ddd; --one: #b3261e;
     --two: #1f6fb2 }
@media (prefers-color-scheme: dark) {
  :root { --paper: #16181b; --ink: #e6e6e6; --faint: #a3a8ad; --rule: #3a3f45; --one: #ff8a80; --two: #7dbcf5 } }
body { font: 15px/1.45 sans-serif; margin: 2em auto; padding: 0 1em; max-width: 980px; background: var(--paper);
     color: var(--ink) }
h1 { font-size: 1.6em } h2 { font-size: 1.2em; margin: 1.8em 0 .5em; break-after: avoid }
p { color: var(--faint); margin: .3em 0 .8em }
figure { margin: 0; break-inside: avoid } figcaption { font-weight: bold }
.charts { display: flex; flex-wrap: wrap; gap: 1.5em } .charts figure { flex: 1 1 340px; max-width: 460px }
svg { width: 100%; height: auto; color: var(--faint) } .grid { color: var(--rule) }
.one { color: var(--one) } .two { color: var(--two) } path.two { stroke-dasharray: 6 3 }
.wide { overflow-x: auto }
table { border-collapse: collapse } th, td { padding: 3px 8px; text-align: left; vertical-align: top }
tr { break-inside: avoid; border-bottom: 1px solid var(--rule) } .facts th { font-weight: normal; color: var(--faint);
     white-space: nowrap }
.numbers td, .numbers thead th { text-align: right;
     font-variant-numeric: tabular-nums } .confusion th { font-size: 12px }
.mistakes figure { display: inline-block; vertical-align: top; width: 108px; margin: 0 6px 10px 0; text-align: center }
.mistakes figcaption { font-weight: normal; font-size: 12px; line-height: 1.25 }
img { width: 84px; height: 84px; image-rendering: pixelated; border: 1px solid var(--rule); background: #fff }
@media print {
  :root { color-scheme: light; --paper: #fff; --ink: #000; --faint: #444; --rule: #ccc; --one: #b3261e; --two: #1f6fb2 }
  body { font-size: 11px; margin: 0; max-width: none } .confusion th { font-size: 9px } th, td { padding: 2px 4px }
  .wide { overflow: visible } .charts figure { flex-basis: 40% } * { -webkit-print-color-adjust: exact;
       print-color-adjust: exact } }
)";

}  // namespace

void write_metrics(const std::string& path, const std::vector<EpochMetrics>& epochs, std::source_location where) try {
  const CallScope scope(where);
  std::string text;
  for (const EpochMetrics& m : epochs) {
    // Numbers one by one: the destructor of a json object asks for memory, and ends the process where there is none.
    const auto number = [](const auto& value) { return nlohmann::json(value).dump(); };
    text += "{\"epoch\":" + number(m.epoch) + ",\"loss\":" + number(m.loss) + ",\"accuracy\":" + number(m.accuracy) +
        ",\"test_accuracy\":" + number(m.test_accuracy) + ",\"images_per_second\":" + number(m.images_per_second) +
        "}\n";
  }
  io::write_text("write_metrics", path, text);
} catch (const std::bad_alloc&) { throw_no_memory("write_metrics", where); }

void write_report(const std::string& path, const Report& r, std::source_location where) try {
  const CallScope scope(where);
  want_classes(r);
  std::ostringstream file;
  file.imbue(std::locale::classic());
  file.exceptions(std::ios::badbit);  // without memory it would go on with a part of the text
  file << "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
       << "<meta name='viewport' content='width=device-width,initial-scale=1'><title>" << escaped(r.title)
       << "</title><style>" << style << "</style></head><body><h1>" << escaped(r.title) << "</h1>" << facts_table(r)
       << "<h2>Curves</h2><div class='charts'>"
       << chart("Loss", r.epochs, {{"training", "one", [](const EpochMetrics& e) { return e.loss; }}}, 3)
       << chart("Accuracy in %", r.epochs,
                {{"training", "one", [](const EpochMetrics& e) { return 100 * e.accuracy; }},
                 {"test", "two", [](const EpochMetrics& e) { return 100 * e.test_accuracy; }}},
                1)
       << "</div><p>Training values are means over the epoch, while the network was changing; test values are those at "
          "its "
       << "end.</p><div class='wide'>" << epoch_table(r.epochs) << "</div>"
       << "<h2>Confusion matrix, test images</h2><div class='wide'>" << confusion_table(r) << "</div>"
       << "<p>A row is a true class, a column what the network said; green is right, red is wrong.</p>"
       << "<h2>Misclassified test images</h2>"
       << "<p>The first " << r.mistakes.size() << " in the order of the test set.</p>" << mistakes_grid(r)
       << "</body></html>\n";
  io::write_text("write_report", path, file.str());
} catch (const std::bad_alloc&) { throw_no_memory("write_report", where); }

}  // namespace wengert::train
