// The stand-in for libnvrtc: kernels are compiled by the C++ compiler, to shared libraries that the
// stand-in for libcuda loads. Results are kept under a hash of all that went in.

#include <dlfcn.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <string>
#include <vector>

#define API extern "C" __attribute__((visibility("default")))

extern char** environ;

namespace {

enum Result : unsigned { SUCCESS = 0, INVALID_INPUT = 3, INVALID_PROGRAM = 4, COMPILATION = 6, INTERNAL = 11 };

struct Program {
    std::string source, name, log, image;
    bool compiled;
};

std::string read(const std::string& path) {
    std::ifstream file(path);
    return std::string((std::istreambuf_iterator<char>(file)), {});
}

bool exists(const std::string& path) { return access(path.c_str(), R_OK) == 0; }

// The folder this library lies in, where kernel.h is too.
std::string here() {
    Dl_info info;
    if (!dladdr(reinterpret_cast<void*>(&here), &info)) return ".";
    char* real = realpath(info.dli_fname, nullptr);
    std::string path = real ? real : info.dli_fname;
    free(real);
    return path.substr(0, path.find_last_of('/'));
}

// The source without comments and preprocessor lines: what is left is looked through for kernels.
std::string stripped(const std::string& source) {
    std::string out;
    bool line_begins = true;
    for (size_t i = 0; i < source.size();) {
        bool directive = line_begins && source[i] == '#';
        if (directive || source.compare(i, 2, "//") == 0) {
            while (i < source.size() && source[i] != '\n') i += source[i] == '\\' ? 2 : 1;
        } else if (source.compare(i, 2, "/*") == 0) {
            size_t end = source.find("*/", i + 2);
            i = end == std::string::npos ? source.size() : end + 2;
            out += ' ';
        } else {
            char c = source[i++];
            line_begins = c == '\n' || (line_begins && (c == ' ' || c == '\t'));
            out += c;
        }
    }
    return out;
}

// Names of kernels, with what `__launch_bounds__` says of them.
std::map<std::string, std::string> kernels(const std::string& source) {
    std::map<std::string, std::string> found;
    auto search = [&](const std::string& text, const char* pattern, size_t name, size_t bounds) {
        std::regex regex(pattern);
        for (std::sregex_iterator at(text.begin(), text.end(), regex), end; at != end; ++at) {
            std::string& said = found[(*at)[name].str()];
            if (bounds && said.empty()) said = (*at)[bounds].str() + (*at)[bounds + 1].str();
        }
    };
#define BOUNDS R"((?:__launch_bounds__\s*\(\s*([^,()]+)[^()]*\)\s*)?)"
    search(stripped(source), "extern\\s*\"C\"\\s*__global__\\s+" BOUNDS "void\\s+" BOUNDS R"((\w+)\s*\()", 3, 1);
    search(source, R"(//[ \t]*kernel:[ \t]*(\w+))", 1, 0);
    return found;
}

std::string translated(const Program& p) {
    static const std::regex dynamic(
        R"(extern\s+__shared__\s+(?:__align__\s*\(\s*\d+\s*\)\s*)?(\w+(?:\s+\w+)*?)\s+(\w+)\s*\[\s*\]\s*;)");
    std::string name = p.name.empty() ? "kernel.cu" : p.name;
    std::string out = "namespace {\n#line 1 \"" + name + "\"\n";
    out += std::regex_replace(p.source, dynamic, "EMULATED_EXTERN($1, $2);") + "\n}\n";
    for (const auto& [kernel, bound] : kernels(p.source)) {
        out += "extern \"C\" void emulated_" + kernel + "(void** p) { emulate_call(" + kernel + ", p); }\n";
        out += "extern \"C\" const unsigned* emulator_sizes_" + kernel + "() { return emulate_sizes(";
        out += kernel + "); }\n";
        if (!bound.empty()) out += "extern \"C\" { int emulator_bound_" + kernel + " = " + bound + "; }\n";
    }
    return out;
}

uint64_t fnv(uint64_t hash, const std::string& text) {
    for (unsigned char c : text) hash = (hash ^ c) * 0x100000001b3;
    return (hash ^ 0xff) * 0x100000001b3;
}

void make_folders(const std::string& path) {
    for (size_t i = 1; i <= path.size(); i++) {
        if (i == path.size() || path[i] == '/') mkdir(path.substr(0, i).c_str(), 0777);
    }
}

// Runs the compiler, its words into a file; -1 if it could not be run.
int run(std::vector<std::string> words, const std::string& log) {
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(&word[0]);
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 2, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
    pid_t child;
    int failed = posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    int status = 0;
    if (failed || waitpid(child, &status, 0) != child) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Result compile(Program& p, const std::vector<std::string>& defines) {
    std::string source = translated(p), folder = here();
    uint64_t hash = fnv(0xcbf29ce484222325, source);
    for (const std::string& define : defines) hash = fnv(hash, define);
    for (const char* header : {"/kernel.h", "/state.h"}) hash = fnv(hash, read(folder + header));

    const char* chosen = getenv("EMULATOR_CACHE");
    std::string cache = chosen && *chosen ? chosen : folder + "/cache";
    make_folders(cache);
    if (char* real = realpath(cache.c_str(), nullptr)) {
        cache = real;
        free(real);
    }
    char name[64];
    snprintf(name, sizeof name, "/%016llx", static_cast<unsigned long long>(hash));
    std::string library = cache + name + ".so";
    if (!exists(library)) {
        // Others may be at the same: each under a name of its own, the last one to rename wins.
        static std::atomic<int> compiled{0};
        std::string mine = cache + name + "." + std::to_string(getpid()) + "." + std::to_string(compiled++);
        std::ofstream(mine + ".cpp") << source;
        std::vector<std::string> words = {"c++", "-std=c++17", "-O1", "-g0", "-fPIC", "-shared", "-w",
                                          "-ffp-contract=off", "-Wl,-Bsymbolic"};
        words.insert(words.end(), defines.begin(), defines.end());
        std::string header = folder + "/kernel.h", from = mine + ".cpp", to = mine + ".so";
        for (const auto& word : {std::string("-include"), header, from, std::string("-o"), to}) words.push_back(word);
        int status = run(words, mine + ".log");
        p.log = status < 0 ? "the compiler c++ could not be run\n" : read(mine + ".log");
        bool kept = status == 0 && rename((mine + ".so").c_str(), library.c_str()) == 0;
        for (const char* end : {".cpp", ".log", ".so"}) unlink((mine + end).c_str());
        if (!kept) return status == 0 ? INTERNAL : COMPILATION;
    }
    p.image = "EMULATED " + library + "\n";
    p.compiled = true;
    return SUCCESS;
}

Result give(const std::string& text, char* to) {
    memcpy(to, text.c_str(), text.size() + 1);
    return SUCCESS;
}

}  // namespace

API Result nvrtcVersion(int* major, int* minor) {
    *major = 13;
    *minor = 0;
    return SUCCESS;
}

API Result nvrtcCreateProgram(Program** to, const char* source, const char* name, int headers, const char* const*,
                              const char* const*) {
    // Headers given as text are not emulated.
    if (!to || !source || headers != 0) return INVALID_INPUT;
    *to = new Program{source, name ? name : "", "", "", false};
    return SUCCESS;
}

API Result nvrtcCompileProgram(Program* p, int count, const char* const* options) {
    if (!p) return INVALID_PROGRAM;
    std::vector<std::string> defines;
    for (int i = 0; i < count; i++) {
        std::string option = options[i], longer = "--define-macro=";
        if (option == "-D" && i + 1 < count) {
            defines.push_back(option + options[++i]);
        } else if (option.compare(0, 2, "-D") == 0) {
            defines.push_back(option);
        } else if (option.compare(0, longer.size(), longer) == 0) {
            defines.push_back("-D" + option.substr(longer.size()));
        }
    }
    return compile(*p, defines);
}

API Result nvrtcGetPTXSize(Program* p, size_t* to) {
    if (!p || !p->compiled) return INVALID_PROGRAM;
    *to = p->image.size() + 1;
    return SUCCESS;
}

API Result nvrtcGetPTX(Program* p, char* to) { return p && p->compiled ? give(p->image, to) : INVALID_PROGRAM; }
API Result nvrtcGetCUBINSize(Program* p, size_t* to) { return nvrtcGetPTXSize(p, to); }
API Result nvrtcGetCUBIN(Program* p, char* to) { return nvrtcGetPTX(p, to); }

API Result nvrtcGetProgramLogSize(Program* p, size_t* to) {
    if (!p) return INVALID_PROGRAM;
    *to = p->log.size() + 1;
    return SUCCESS;
}

API Result nvrtcGetProgramLog(Program* p, char* to) { return p ? give(p->log, to) : INVALID_PROGRAM; }

API Result nvrtcDestroyProgram(Program** p) {
    if (!p || !*p) return INVALID_PROGRAM;
    delete *p;
    *p = nullptr;
    return SUCCESS;
}

API const char* nvrtcGetErrorString(Result result) {
    switch (result) {
        case SUCCESS: return "NVRTC_SUCCESS";
        case INVALID_INPUT: return "NVRTC_ERROR_INVALID_INPUT";
        case INVALID_PROGRAM: return "NVRTC_ERROR_INVALID_PROGRAM";
        case COMPILATION: return "NVRTC_ERROR_COMPILATION";
        case INTERNAL: return "NVRTC_ERROR_INTERNAL_ERROR";
    }
    return "NVRTC_ERROR unknown";
}
