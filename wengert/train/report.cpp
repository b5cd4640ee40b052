#include "wengert/train/report.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>

#include "wengert/io/file.hpp"

namespace wengert::train {
namespace {

std::string number(double value, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string escaped(const std::string& text) {
  std::string result;
  for (char c : text) result += c == '<' ? "&lt;" : c == '&' ? "&amp;" : std::string(1, c);
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
  std::string name, colour;
  std::function<double(const EpochMetrics&)> value;
};

std::string chart(const std::string& title, const std::vector<EpochMetrics>& epochs, const std::vector<Line>& lines) {
  double low = 1e300, high = -1e300;
  for (const EpochMetrics& e : epochs) {
    for (const Line& line : lines) {
      low = std::min(low, line.value(e));
      high = std::max(high, line.value(e));
    }
  }
  if (high <= low) high = low + 1;
  const double width = 420, height = 240, left = 50, bottom = 30;
  const auto x = [&](size_t i) {
    return left +
        (epochs.size() < 2 ? 0.5 : static_cast<double>(i) / static_cast<double>(epochs.size() - 1)) *
        (width - left - 10);
  };
  const auto y = [&](double v) { return 10 + (high - v) / (high - low) * (height - bottom - 10); };
  std::string svg =
      "<figure><figcaption>" + title + "</figcaption><svg viewBox='0 0 420 240' width='420' height='240'>";
  for (int k = 0; k <= 4; ++k) {
    const double v = low + (high - low) * k / 4;
    svg += "<line x1='50' x2='410' y1='" + number(y(v), 1) + "' y2='" + number(y(v), 1) +
        "' stroke='#ddd'/><text x='44' y='" + number(y(v) + 4, 1) + "' text-anchor='end'>" + number(v, 3) + "</text>";
  }
  for (size_t i = 0; i < epochs.size(); ++i) {
    svg +=
        "<text x='" + number(x(i), 1) + "' y='230' text-anchor='middle'>" + std::to_string(epochs[i].epoch) + "</text>";
  }
  std::string legend;
  for (const Line& line : lines) {
    svg += "<polyline fill='none' stroke-width='2' stroke='" + line.colour + "' points='";
    for (size_t i = 0; i < epochs.size(); ++i) svg += number(x(i), 1) + "," + number(y(line.value(epochs[i])), 1) + " ";
    svg += "'/>";
    legend += " <span style='color:" + line.colour + "'>&#9632; " + line.name + "</span>";
  }
  return svg + "</svg><div>" + legend + "</div></figure>";
}

std::string confusion_table(const Report& r) {
  std::string html = "<table class='confusion'><tr><th>true \\ predicted</th>";
  for (const std::string& name : r.classes) html += "<th>" + escaped(name) + "</th>";
  html += "</tr>";
  for (size_t i = 0; i < r.confusion.size(); ++i) {
    int64_t total = 0;
    for (int64_t n : r.confusion[i]) total += n;
    html += "<tr><th>" + escaped(r.classes[i]) + "</th>";
    for (size_t j = 0; j < r.confusion[i].size(); ++j) {
      const double part = total > 0 ? static_cast<double>(r.confusion[i][j]) / static_cast<double>(total) : 0;
      html += "<td style='background:rgba(" + std::string(i == j ? "40,140,70," : "200,60,40,") +
          number(std::min(1.0, part * (i == j ? 1 : 4)), 2) + ")'>" + std::to_string(r.confusion[i][j]) + "</td>";
    }
    html += "</tr>";
  }
  return html + "</table>";
}

}  // namespace

void write_metrics(const std::string& path, const std::vector<EpochMetrics>& epochs) {
  std::string text;
  for (const EpochMetrics& m : epochs) {
    const nlohmann::ordered_json line = {{"epoch", m.epoch},
                                         {"loss", m.loss},
                                         {"accuracy", m.accuracy},
                                         {"test_accuracy", m.test_accuracy},
                                         {"images_per_second", m.images_per_second}};
    text += line.dump() + "\n";
  }
  io::write_text("write_metrics", path, text);
}

void write_report(const std::string& path, const Report& r) {
  std::ostringstream file;
  file
      << "<!doctype html><html lang='en'><meta charset='utf-8'><title>" << escaped(r.title) << "</title><style>"
      << "body{font:15px sans-serif;margin:2em auto;max-width:960px;color:#222}figure{display:inline-block;margin:0 1em 1em 0}"
      << "figcaption{font-weight:bold}svg text{font-size:11px;fill:#555}table{border-collapse:collapse}th,td{padding:3px 8px;text-align:left}"
      << ".confusion td{text-align:right}.confusion th{font-size:12px}.mistakes div{display:inline-block;width:110px;margin:4px;"
      << "text-align:center;font-size:12px}img{width:84px;height:84px;image-rendering:pixelated;border:1px solid #ddd}</style><h1>"
      << escaped(r.title) << "</h1><table>";
  for (const auto& [name, value] : r.facts)
    file << "<tr><th>" << escaped(name) << "</th><td>" << escaped(value) << "</td></tr>";
  file << "</table><h2>Curves</h2>"
       << chart("Loss", r.epochs, {{"training", "#c33", [](const EpochMetrics& e) { return e.loss; }}})
       << chart("Accuracy", r.epochs,
                {{"training", "#c33", [](const EpochMetrics& e) { return e.accuracy; }},
                 {"test", "#27a", [](const EpochMetrics& e) { return e.test_accuracy; }}})
       << "<h2>Confusion matrix, test images</h2>" << confusion_table(r)
       << "<h2>Misclassified test images</h2><div class='mistakes'>";
  for (const Mistake& m : r.mistakes) {
    file << "<div><img alt='' src='data:image/png;base64," << base64(png(m.image)) << "'><br>"
         << escaped(r.classes[static_cast<size_t>(m.wanted)]) << "<br>taken for <b>"
         << escaped(r.classes[static_cast<size_t>(m.predicted)]) << "</b></div>";
  }
  file << "</div></html>\n";
  io::write_text("write_report", path, file.str());
}

}  // namespace wengert::train
