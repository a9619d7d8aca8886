/* A stand-in for NVIDIA's two driver libraries, libnvidia-ml.so.1 and libcuda.so.1: it answers from three files.

       script      a line each: GPU NAME VALUE [WHEN]. The last line that holds decides.
                     GPU    an index, or * for all of them and for the whole driver
                     NAME   a figure (power_mw), or a function: VALUE is the error that it returns
                            (nvmlDevice* : all functions of a GPU); FUNCTION/ms : VALUE is the time that it takes
                     WHEN   loading, working: what the GPU's newest program does; a number N: from the Nth program on
       programs    a line each: NS PID GPU BYTES WHAT, written by programs that "use" a GPU; NS is of CLOCK_BOOTTIME,
                     WHAT is loading or working. The last line of a PID counts, as long as that process lives.
       steps       eight bytes: how many steps programs have made; each takes step_uj of energy

   They lie beside this library. What it says of itself has the word "emulated" in it, whatever the script says.
   Functions that are not here are missing in the library, which NVML's callers take for an old driver. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef unsigned int u32;
typedef unsigned long long u64;

/* nvml.h */
enum { SUCCESS = 0, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7, TIMEOUT = 10 };
typedef struct { u64 total, free, used; } memory_v1;
typedef struct { u32 version; u64 total, reserved, free, used; } memory_v2;
typedef struct { u32 pid; u64 used; u32 instance, compute_instance; } process_v3;
typedef struct { u32 gpu, memory; } utilization;
typedef struct { u64 stamp_us; union { double d; u64 u; } value; } sample;
typedef struct { u64 reference_us, violation_ns; } violation;
typedef struct { void *device; u64 type, data; u32 instance, compute_instance; } event;

u32 emulated_size(const char *name) {
    if (!strcmp(name, "c_nvmlMemory_t")) return sizeof(memory_v1);
    if (!strcmp(name, "c_nvmlMemory_v2_t")) return sizeof(memory_v2);
    if (!strcmp(name, "c_nvmlProcessInfo_v3_t")) return sizeof(process_v3);
    if (!strcmp(name, "c_nvmlUtilization_t")) return sizeof(utilization);
    if (!strcmp(name, "c_nvmlSample_t")) return sizeof(sample);
    if (!strcmp(name, "c_nvmlViolationTime_t")) return sizeof(violation);
    return strcmp(name, "c_nvmlEventData_t") ? 0 : sizeof(event);
}

/* ---- the files: read again when they have changed, by each thread for itself ---- */

enum { REST, LOADING, WORKING };
typedef struct { int gpu; char name[64], value[64], when[16]; } rule;  /* gpu ALL: of all */
typedef struct { u64 at_ns, bytes; int pid, gpu, what; } entry;
enum { ALL = -2, MOST = 4096 };
static __thread struct { struct stat read; int count; rule rules[128]; } script;
static __thread struct { struct stat read; int count; entry entries[MOST]; } programs;

static void beside(char *path, size_t size, const char *name) {
    Dl_info info;
    dladdr((void *)emulated_size, &info);
    snprintf(path, size, "%.*s%s", (int)(strrchr(info.dli_fname, '/') + 1 - info.dli_fname), info.dli_fname, name);
}

/* Return a file opened for reading when it is not as it was read before; NULL: it is, or it is not there. */
static FILE *changed(struct stat *before, const char *name) {
    char path[4096];
    struct stat now;
    beside(path, sizeof path, name);
    if (stat(path, &now)) return NULL;
    if (now.st_ino == before->st_ino && now.st_size == before->st_size &&
        !memcmp(&now.st_mtim, &before->st_mtim, sizeof now.st_mtim)) return NULL;
    *before = now;
    return fopen(path, "re");
}

static void read_script(void) {
    char line[256], which[16];
    FILE *file = changed(&script.read, "script");
    if (!file) return;
    for (script.count = 0; script.count < 128 && fgets(line, sizeof line, file);) {
        rule *one = &script.rules[script.count];
        one->when[0] = 0;
        script.count += sscanf(line, "%15s %63s %63s %15s", which, one->name, one->value, one->when) >= 3;
        one->gpu = *which == '*' ? ALL : atoi(which);
    }
    fclose(file);
}

static void read_programs(void) {
    char line[256], what[16];
    FILE *file = changed(&programs.read, "programs");
    if (!file) return;
    for (programs.count = 0; programs.count < MOST && fgets(line, sizeof line, file);) {
        entry *one = &programs.entries[programs.count];
        int words = sscanf(line, "%llu %d %d %llu %15s", &one->at_ns, &one->pid, &one->gpu, &one->bytes, what);
        one->what = words == 5 && !strcmp(what, "working") ? WORKING : LOADING;
        programs.count += words == 5;
    }
    fclose(file);
}

static u64 clock_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000000000ull + now.tv_nsec;
}

/* ---- the programs ---- */

static int is_alive(int pid) { return !kill(pid, 0) || errno == EPERM; }

static int is_last_of_its_program(int at) {
    for (int later = at + 1; later < programs.count; later++)
        if (programs.entries[later].pid == programs.entries[at].pid) return 0;
    return 1;
}

/* Put the last entry of each living program with memory on a GPU into `found`; return how many there are. */
static int programs_on(int gpu, const entry **found) {
    int alive = 0;
    for (int at = 0; at < programs.count; at++) {
        const entry *one = &programs.entries[at];
        if (one->gpu == gpu && one->bytes && is_last_of_its_program(at) && is_alive(one->pid)) found[alive++] = one;
    }
    return alive;
}

/* Return how many programs there have been, on any GPU. */
static int programs_so_far(void) {
    int count = 0;
    for (int at = 0; at < programs.count; at++) count += is_last_of_its_program(at);
    return count;
}

/* Return what a GPU's newest program did at a moment; 0: now, and at rest when it has ended. */
static int state_at(int gpu, u64 moment_ns) {
    for (int at = programs.count - 1; at >= 0; at--) {
        const entry *one = &programs.entries[at];
        if (one->gpu == gpu && (!moment_ns || one->at_ns <= moment_ns))
            return moment_ns || is_alive(one->pid) ? one->what : REST;
    }
    return REST;
}

/* ---- the script ---- */

static int holds(const rule *one, int state) {
    if (!strcmp(one->when, "loading")) return state == LOADING;
    if (!strcmp(one->when, "working")) return state == WORKING;
    return !*one->when || programs_so_far() >= atoi(one->when);
}

/* Return the word that the script has for a name in a state; NULL: none. */
static const char *word_of(int gpu, const char *name, int state) {
    for (int at = script.count - 1; at >= 0; at--) {
        const rule *one = &script.rules[at];
        if (!strcmp(one->name, name) && (one->gpu == ALL || one->gpu == gpu) && holds(one, state)) return one->value;
    }
    return NULL;
}

static u64 figure_then(int gpu, const char *name, int state) {
    const char *word = word_of(gpu, name, state);
    return word ? strtoull(word, NULL, 10) : 0;
}

static u64 figure(int gpu, const char *name) { return figure_then(gpu, name, state_at(gpu, 0)); }

/* Begin a call: read what has changed, take its time, return the error that the script has for it. */
static int error_of(int gpu, const char *function) {
    char name[80];
    read_script();
    read_programs();
    snprintf(name, sizeof name, "%s/ms", function);
    usleep(figure(gpu, name) * 1000);
    int error = figure(gpu, function);
    return error || strncmp(function, "nvmlDevice", 10) ? error : (int)figure(gpu, "nvmlDevice*");
}

#define ANSWER(gpu) do { int error_ = error_of(gpu, __func__); if (error_) return error_; } while (0)

static void *handle_of(int gpu) { return (void *)(long)(gpu + 1); }
static int gpu_of(void *handle) { return (int)(long)handle - 1; }
static int gpu_count(void) { return figure(-1, "count"); }

static int say_model(int gpu, char *name, u32 size) {
    const char *model = word_of(gpu, "model", REST);
    snprintf(name, size, "Emulated %s", model ? model : "GPU");
    return SUCCESS;
}

static int say_uuid(int gpu, char *uuid, u32 size) { return snprintf(uuid, size, "GPU-emulated-%d", gpu), SUCCESS; }

/* ---- libnvidia-ml.so.1: the library and its GPUs ---- */

int nvmlInitWithFlags(u32 flags) { ANSWER(-1); return SUCCESS; }
int nvmlShutdown(void) { return SUCCESS; }

int nvmlSystemGetDriverVersion(char *version, u32 size) {
    ANSWER(-1);
    const char *number = word_of(-1, "driver", REST);
    snprintf(version, size, "%s-emulated", number ? number : "0");
    return SUCCESS;
}

int nvmlSystemGetCudaDriverVersion_v2(int *version) { ANSWER(-1); *version = figure(-1, "cuda"); return SUCCESS; }
int nvmlSystemGetCudaDriverVersion(int *version) { return nvmlSystemGetCudaDriverVersion_v2(version); }
int nvmlDeviceGetCount_v2(u32 *count) { ANSWER(-1); *count = gpu_count(); return SUCCESS; }

int nvmlDeviceGetHandleByIndex_v2(u32 index, void **device) {
    ANSWER((int)index);
    *device = handle_of(index);
    return index < (u32)gpu_count() ? SUCCESS : INVALID_ARGUMENT;
}

int nvmlDeviceGetHandleByUUID(const char *uuid, void **device) {
    char known[80];
    ANSWER(-1);
    for (int gpu = 0; gpu < gpu_count(); gpu++)
        if (say_uuid(gpu, known, sizeof known), !strcmp(known, uuid)) return *device = handle_of(gpu), SUCCESS;
    return NOT_FOUND;
}

int nvmlDeviceGetName(void *device, char *name, u32 size) {
    ANSWER(gpu_of(device));
    return say_model(gpu_of(device), name, size);
}

int nvmlDeviceGetUUID(void *device, char *uuid, u32 size) {
    ANSWER(gpu_of(device));
    return say_uuid(gpu_of(device), uuid, size);
}

int nvmlDeviceGetMigMode(void *device, u32 *now, u32 *next) {
    ANSWER(gpu_of(device));
    *now = *next = 0;
    return SUCCESS;
}

int nvmlDeviceGetCudaComputeCapability(void *device, int *major, int *minor) {
    ANSWER(gpu_of(device));
    *major = 9, *minor = 0;
    return SUCCESS;
}

/* ---- memory and programs ---- */

int nvmlDeviceGetMemoryInfo_v2(void *device, memory_v2 *memory) {
    int gpu = gpu_of(device);
    ANSWER(gpu);
    const entry *found[MOST];
    memory->used = figure(gpu, "used");
    for (int at = programs_on(gpu, found); at-- > 0;) memory->used += found[at]->bytes;
    memory->total = figure(gpu, "total");
    memory->reserved = figure(gpu, "reserved");
    memory->free = memory->total - memory->reserved - memory->used;
    return SUCCESS;
}

int nvmlDeviceGetMemoryInfo(void *device, memory_v1 *memory) {
    memory_v2 newer;
    ANSWER(gpu_of(device));
    int error = nvmlDeviceGetMemoryInfo_v2(device, &newer);
    *memory = (memory_v1){.total = newer.total, .free = newer.free, .used = newer.used + newer.reserved};
    return error;
}

int nvmlDeviceGetComputeRunningProcesses_v3(void *device, u32 *count, process_v3 *processes) {
    ANSWER(gpu_of(device));
    const entry *found[MOST];
    u32 alive = programs_on(gpu_of(device), found), size = *count;
    *count = alive;
    if (alive > size) return INSUFFICIENT_SIZE;
    for (u32 at = 0; at < alive; at++) {
        u32 pid = found[at]->pid;
        processes[at] = (process_v3){.pid = pid, .used = found[at]->bytes, .instance = ~0u, .compute_instance = ~0u};
    }
    return SUCCESS;
}

int nvmlDeviceGetGraphicsRunningProcesses_v3(void *device, u32 *count, process_v3 *processes) {
    ANSWER(gpu_of(device));
    *count = 0;
    return SUCCESS;
}

/* ---- figures ---- */

#define FIGURE(function, name) \
    int function(void *device, u32 *value) { \
        ANSWER(gpu_of(device)); \
        *value = figure(gpu_of(device), name); \
        return SUCCESS; \
    }

FIGURE(nvmlDeviceGetPowerUsage, "power_mw")
FIGURE(nvmlDeviceGetEnforcedPowerLimit, "power_limit_mw")
FIGURE(nvmlDeviceGetPersistenceMode, "persistence")

int nvmlDeviceGetTemperature(void *device, int sensor, u32 *value) {
    ANSWER(gpu_of(device));
    *value = figure(gpu_of(device), "temperature_c");
    return SUCCESS;
}

int nvmlDeviceGetClockInfo(void *device, int kind, u32 *value) { /* 1: of the multiprocessors, 2: of the memory */
    ANSWER(gpu_of(device));
    *value = figure(gpu_of(device), kind == 2 ? "memory_mhz" : "sm_mhz");
    return SUCCESS;
}

int nvmlDeviceGetUtilizationRates(void *device, utilization *rates) {
    ANSWER(gpu_of(device));
    *rates = (utilization){.gpu = figure(gpu_of(device), "gpu_percent"), .memory = 0};
    return SUCCESS;
}

int nvmlDeviceGetCurrentClocksEventReasons(void *device, u64 *reasons) {
    ANSWER(gpu_of(device));
    *reasons = figure(gpu_of(device), "events");
    return SUCCESS;
}

int nvmlDeviceGetCurrentClocksThrottleReasons(void *device, u64 *reasons) {
    return nvmlDeviceGetCurrentClocksEventReasons(device, reasons);
}

int nvmlDeviceGetViolationStatus(void *device, int policy, violation *status) { /* 0: power, 1: heat */
    ANSWER(gpu_of(device));
    status->reference_us = clock_ns(CLOCK_BOOTTIME) / 1000;
    status->violation_ns = figure(gpu_of(device), policy ? "thermal_violation_ns" : "power_violation_ns");
    return SUCCESS;
}

int nvmlDeviceGetTotalEccErrors(void *device, int kind, int counter, u64 *errors) {
    ANSWER(gpu_of(device));
    *errors = figure(gpu_of(device), kind ? "ecc_uncorrected" : "ecc_corrected");
    return SUCCESS;
}

/* The energy at rest since the host began, and step_uj for each step; renewed every tick_ms. */
int nvmlDeviceGetTotalEnergyConsumption(void *device, u64 *millijoules) {
    static __thread u64 ticked[16], shown[16];
    int gpu = gpu_of(device);
    ANSWER(gpu);
    u64 now_ns = clock_ns(CLOCK_BOOTTIME), tick = now_ns / (1000000 * (figure(gpu, "tick_ms") ?: 1)), steps = 0;
    if (tick != ticked[gpu]) {
        char path[4096];
        beside(path, sizeof path, "steps");
        FILE *file = fopen(path, "re");
        if (!file || fread(&steps, sizeof steps, 1, file) != 1) steps = 0;
        if (file) fclose(file);
        double rest_mj = figure_then(gpu, "power_mw", REST) * (now_ns / 1e9);
        ticked[gpu] = tick, shown[gpu] = (u64)(rest_mj + figure(gpu, "step_uj") / 1e3 * steps);
    }
    *millijoules = shown[gpu];
    return SUCCESS;
}

/* The buffers: a value each 20 ms, of two seconds at most; `stamps`: 0 none, 1 of the boot clock, 2 Unix time. */
int nvmlDeviceGetSamples(void *device, int kind, u64 since_us, int *type, u32 *count, sample *samples) {
    int gpu = gpu_of(device);
    const char *name = kind == 0 ? "power_mw" : kind == 5 ? "sm_mhz" : kind == 6 ? "memory_mhz" : NULL;
    ANSWER(gpu);
    int clock = figure(gpu, "stamps");
    if (!clock || !name) return NOT_SUPPORTED;
    u64 boot_us = clock_ns(CLOCK_BOOTTIME) / 1000, now_us = clock == 1 ? boot_us : clock_ns(CLOCK_REALTIME) / 1000;
    u64 ahead_us = now_us - boot_us, first_us = since_us > now_us - 2000000 ? since_us : now_us - 2000000;
    u32 most = samples ? *count : ~0u;
    *type = 1; /* unsigned int */
    *count = 0;
    for (u64 at_us = (first_us / 20000 + 1) * 20000; at_us <= now_us && *count < most; at_us += 20000, ++*count)
        if (samples)
            samples[*count] = (sample){
                .stamp_us = at_us, .value.u = figure_then(gpu, name, state_at(gpu, (at_us - ahead_us) * 1000))};
    return *count ? SUCCESS : NOT_FOUND;
}

int nvmlEventSetCreate(void **set) { ANSWER(-1); *set = handle_of(0); return SUCCESS; }
int nvmlDeviceRegisterEvents(void *device, u64 kinds, void *set) { ANSWER(gpu_of(device)); return SUCCESS; }
int nvmlEventSetWait_v2(void *set, event *found, u32 timeout_ms) { return TIMEOUT; }
int nvmlEventSetFree(void *set) { return SUCCESS; }

/* ---- libcuda.so.1: what a process sees without a context ---- */

/* Return the GPU that CUDA_VISIBLE_DEVICES names first, as an index or a UUID; without it the first. */
static int visible(void) {
    const char *named = getenv("CUDA_VISIBLE_DEVICES"), *dash = named ? strrchr(named, '-') : NULL;
    return named ? atoi(dash ? dash + 1 : named) : 0;
}

int cuInit(u32 flags) { ANSWER(-1); return gpu_count() ? 0 : 100; } /* CUDA_ERROR_NO_DEVICE */
int cuDriverGetVersion(int *version) { ANSWER(-1); *version = figure(-1, "cuda"); return 0; }
int cuDeviceGetCount(int *count) { ANSWER(-1); *count = gpu_count() ? 1 : 0; return 0; }
int cuDeviceGet(int *device, int ordinal) { *device = visible(); return ordinal ? 101 : 0; } /* INVALID_DEVICE */
int cuDeviceGetName(char *name, int size, int device) { ANSWER(device); return say_model(device, name, size); }
