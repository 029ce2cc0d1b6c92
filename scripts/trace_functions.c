/* trace_functions OUTPUT FUNCTIONS PROGRAM ARGUMENT... runs a program and writes the functions that ran to the file OUTPUT.
 *
 * FUNCTIONS has a line for each, sorted: the address in the program's file, in hexadecimal digits, and the name. Each begins with a
 * breakpoint, which goes when it is met, so that the program runs at nearly its own pace. x86-64 Linux; SIGTERM is passed on.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 1 << 20, LINE = 1 << 16 };

static unsigned long address[MOST];
static char *name[MOST];
static unsigned char first_byte[MOST];
static char has_run[MOST];
static long count;
static volatile sig_atomic_t asked;

static void ask(int number) { asked = number; }

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static long find(unsigned long wanted) {
  long low = 0, high = count - 1;
  while (low <= high) {
    long middle = (low + high) / 2;
    if (address[middle] == wanted) return middle;
    if (address[middle] < wanted) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

int main(int arguments, char **argument) {
  static char line[LINE];
  if (arguments < 4) return 64;
  FILE *file = fopen(argument[2], "r");
  if (!file) fail(argument[2]);
  while (fgets(line, sizeof line, file) && count < MOST) {
    char *end;
    unsigned long begins = strtoul(line, &end, 16);
    if (count && address[count - 1] == begins) continue;
    end += strspn(end, " ");
    end[strcspn(end, "\n")] = 0;
    address[count] = begins;
    name[count++] = strdup(end);
  }
  fclose(file);
  pid_t child = fork();
  if (!child) {
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    execv(argument[3], argument + 3);
    _exit(127);
  }
  int status;
  waitpid(child, &status, 0);
  struct sigaction action = {.sa_handler = ask};
  sigaction(SIGTERM, &action, 0);
  ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL);
  unsigned long base = 0;
  snprintf(line, sizeof line, "/proc/%d/maps", child);
  if (!(file = fopen(line, "r")) || fscanf(file, "%lx", &base) != 1) fail(line);
  fclose(file);
  snprintf(line, sizeof line, "/proc/%d/mem", child);
  int memory = open(line, O_RDWR);
  const unsigned char breakpoint = 0xcc;
  for (long at = 0; at < count; at++) {
    address[at] += base;
    if (pread(memory, &first_byte[at], 1, address[at]) != 1) fail(name[at]);
    if (pwrite(memory, &breakpoint, 1, address[at]) != 1) fail(name[at]);
  }
  ptrace(PTRACE_CONT, child, 0, 0);
  for (;;) {
    pid_t thread = waitpid(-1, &status, __WALL);
    if (asked) {
      kill(child, asked);
      asked = 0;
    }
    if (thread < 0) {
      if (errno == EINTR) continue;
      break;
    }
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
      if (thread == child) break;
      continue;
    }
    int number = WSTOPSIG(status);
    int passed = number == SIGTRAP || number == SIGSTOP ? 0 : number;
    if (number == SIGTRAP && !(status >> 16)) {
      struct user_regs_struct registers;
      ptrace(PTRACE_GETREGS, thread, 0, &registers);
      long at = find(--registers.rip);
      if (at >= 0) {
        /* Another thread may have met it at the same time. */
        if (!has_run[at] && pwrite(memory, &first_byte[at], 1, address[at]) != 1) fail(name[at]);
        has_run[at] = 1;
        ptrace(PTRACE_SETREGS, thread, 0, &registers);
      }
    }
    ptrace(PTRACE_CONT, thread, 0, passed);
  }
  if (!(file = fopen(argument[1], "w"))) fail(argument[1]);
  for (long at = 0; at < count; at++)
    if (has_run[at]) fprintf(file, "%s\n", name[at]);
  fclose(file);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
