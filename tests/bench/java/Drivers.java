import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.Arrays;

/**
 * Runs main programs of the class path one after the other in one JVM, so that a
 * measured run of Kafka's performance tools is not that of a JVM which has yet to
 * load and compile them. A line of standard input is a class name and its
 * arguments, separated by tabs; "done" is printed after each.
 */
public final class Drivers {
    public static void main(String[] none) throws Exception {
        var lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = lines.readLine()) != null; ) {
            String[] words = line.split("\t");
            String[] arguments = Arrays.copyOfRange(words, 1, words.length);
            Class.forName(words[0]).getMethod("main", String[].class).invoke(null, (Object) arguments);
            System.out.println("done");
        }
    }
}
