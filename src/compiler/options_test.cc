#include "compiler/options.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace hpcc {
namespace {

struct Table {
  const char* name;
  std::span<const OptionRow> rows;
};

std::vector<Table> all_tables() {
  return {{"gcc", gcc_options()},   {"clang", clang_options()},         {"cc1", cc1_options()},
          {"llvm", llvm_options()}, {"assembler", assembler_options()}, {"preprocessor", preprocessor_options()}};
}

TEST(Options, TablesAreSortedAndNamesUnique) {
  for (const Table& table : all_tables()) {
    for (size_t i = 1; i < table.rows.size(); ++i) {
      EXPECT_LT(table.rows[i - 1].name, table.rows[i].name) << table.name;
    }
  }
}

TEST(Options, EveryRowIsFoundByItsOwnName) {
  for (const Table& table : all_tables()) {
    for (const OptionRow& row : table.rows) EXPECT_EQ(find_option(table.rows, row.name).row, &row) << row.name;
  }
}

TEST(Options, RowsAreConsistent) {
  for (const Table& table : all_tables()) {
    for (const OptionRow& row : table.rows) {
      SCOPED_TRACE(std::string(table.name) + " " + std::string(row.name));
      EXPECT_TRUE(row.name.starts_with('-'));
      EXPECT_EQ(row.name.find_first_of(" <>[]|"), std::string_view::npos);
      if (row.bits & opt::kNegatable) {
        EXPECT_EQ(row.arity, Arity::kFlag);
        EXPECT_EQ(row.act, Act::kText) << "the negative of an option that writes files must have its own row";
        EXPECT_NE(row.name.substr(2, 3), "no-");
      }
      if (row.bits & opt::kReads) {
        EXPECT_EQ(row.act, Act::kPath);
      }
      if (row.act == Act::kPath || row.act == Act::kPrefixMap) {
        EXPECT_NE(row.arity, Arity::kFlag);
      }
      // What cannot be searched for a directory may hold the working directory, too.
      if (row.bits & opt::kOpaque) {
        EXPECT_TRUE(row.bits & opt::kLeaksCwd);
      }
    }
  }
}

TEST(Options, OptionsThatWriteFilesAreNeverPlainText) {
  for (std::span<const OptionRow> rows : {gcc_options(), clang_options()}) {
    for (std::string_view name : {"-gsplit-dwarf",
                                  "--coverage",
                                  "-ftest-coverage",
                                  "-fstack-usage",
                                  "-fsave-optimization-record",
                                  "-save-temps",
                                  "-save-temps=obj",
                                  "-o",
                                  "-MD",
                                  "-MMD",
                                  "-MF",
                                  "-Wa,-al=x",
                                  "-Wp,-MD,x",
                                  "-fdump-tree-all",
                                  "-ftime-trace",
                                  "-fopt-info-vec=x",
                                  "-fcallgraph-info",
                                  "--serialize-diagnostics",
                                  "-aux-info",
                                  "-MJ",
                                  "-time=x"}) {
      const OptionRow* row = find_option(rows, name).row;
      if (row) {
        EXPECT_NE(row->act, Act::kText) << name;
      }
    }
  }
}

TEST(Options, TheLongestRowWins) {
  EXPECT_EQ(find_option(gcc_options(), "-Wa,--noexecstack").row->name, "-Wa,");
  EXPECT_EQ(find_option(gcc_options(), "-Wall").row->name, "-W");
  EXPECT_EQ(find_option(gcc_options(), "-MMD").row->name, "-MMD");
  EXPECT_EQ(find_option(gcc_options(), "-MTx").row->name, "-MT");
  EXPECT_EQ(find_option(gcc_options(), "-fsanitize=address").row->name, "-fsanitize=");
  EXPECT_EQ(find_option(gcc_options(), "-includefoo.h").row->name, "-include");
}

TEST(Options, AFlagMatchesOnlyTheWholeWord) {
  EXPECT_EQ(find_option(gcc_options(), "-fpicky").row, nullptr);
  EXPECT_EQ(find_option(gcc_options(), "-gdwarf-9").row, nullptr);
  EXPECT_EQ(find_option(gcc_options(), "-cfoo").row, nullptr);
  EXPECT_EQ(find_option(gcc_options(), "-fno-such-thing").row, nullptr);
  EXPECT_EQ(find_option(gcc_options(), "-").row, nullptr);
  EXPECT_EQ(find_option(gcc_options(), "").row, nullptr);
}

TEST(Options, NegativesAreFoundThroughThePositive) {
  for (std::string_view name : {"-fno-strict-aliasing", "-mno-red-zone", "-gno-column-info", "-fno-PIE"}) {
    OptionMatch match = find_option(gcc_options(), name);
    ASSERT_NE(match.row, nullptr) << name;
    EXPECT_TRUE(match.negated);
  }
  EXPECT_FALSE(find_option(gcc_options(), "-fno-builtin-memcpy").negated);
  EXPECT_EQ(find_option(gcc_options(), "-fno-callgraph-info").row, nullptr);
}

}  // namespace
}  // namespace hpcc
